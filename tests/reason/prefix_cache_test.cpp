// The prefix cache beside a model of it that keeps every block by itself, in a list.
#include "reason/prefix_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "reason/tiny_reasoner.h"
#include "support/tiny_pack.h"

namespace pith {
namespace {

using testing::TinyReasoner;

// Blocks are known by all tokens up to their end, and who wrote them. One that is not full is
// there while nothing is that has more of the same.
class ModelCache {
 public:
  explicit ModelCache(size_t most_blocks) : most_blocks_(most_blocks) {}

  size_t find(std::span<const TokenId> tokens, const AdapterUse& use) {
    ++clock_;
    const Key wanted = key(tokens.subspan(0, tokens.size() - 1), use);
    const size_t whole = use_whole_blocks(wanted);
    const auto part = most_alike(wanted, whole);
    if (part == used_.end()) return whole;
    part->second = clock_;
    return common(part->first, wanted);
  }

  void insert(std::span<const TokenId> tokens, const AdapterUse& use) {
    ++clock_;
    const Key all = key(tokens.subspan(0, std::min(tokens.size(), most_blocks_ * kKvBlock)), use);
    const size_t whole = use_whole_blocks(all);
    const auto part = most_alike(all, whole);
    if (whole == all.size()) return;
    if (part != used_.end() && common(part->first, all) == all.size()) {
      part->second = clock_;
      return;
    }
    std::erase_if(used_, [&](const auto& other) {
      return other.first.size() % kKvBlock != 0 && common(other.first, all) == other.first.size();
    });
    for (size_t end = whole; end < all.size();) {
      end = std::min(end + kKvBlock, all.size());
      used_[Key(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(end))] = clock_;
    }
    while (used_.size() > most_blocks_) evict();
  }

  size_t tokens() const { return used_.size() * kKvBlock; }

 private:
  using Key = std::vector<std::pair<TokenId, AdapterId>>;
  using Blocks = std::map<Key, uint64_t>;

  static Key key(std::span<const TokenId> tokens, const AdapterUse& use) {
    Key key;
    for (size_t i = 0; i < tokens.size(); ++i) key.emplace_back(tokens[i], use.at(i));
    return key;
  }

  static size_t common(const Key& a, const Key& b) {
    return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                               a.begin());
  }

  size_t use_whole_blocks(const Key& wanted) {
    size_t whole = 0;
    for (; whole + kKvBlock <= wanted.size(); whole += kKvBlock) {
      const auto found = used_.find(
          Key(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(whole + kKvBlock)));
      if (found == used_.end()) break;
      found->second = clock_;
    }
    return whole;
  }

  // Of the blocks behind `whole` tokens.
  Blocks::iterator most_alike(const Key& wanted, size_t whole) {
    auto best = used_.end();
    const auto rank = [&](const Blocks::iterator& it) {
      return std::make_pair(common(it->first, wanted), it->second);
    };
    for (auto it = used_.begin(); it != used_.end(); ++it) {
      const size_t size = it->first.size();
      if (size <= whole || size > whole + kKvBlock || common(it->first, wanted) <= whole) continue;
      if (best == used_.end() || rank(it) > rank(best)) best = it;
    }
    return best;
  }

  bool is_leaf(const Key& key) const {
    return std::none_of(used_.begin(), used_.end(), [&](const auto& other) {
      return other.first.size() > key.size() && key.size() % kKvBlock == 0 &&
             common(key, other.first) == key.size();
    });
  }

  void evict() {
    auto oldest = used_.end();
    for (auto it = used_.begin(); it != used_.end(); ++it) {
      if (is_leaf(it->first) && (oldest == used_.end() || it->second < oldest->second)) oldest = it;
    }
    used_.erase(oldest);
  }

  size_t most_blocks_;
  Blocks used_;
  uint64_t clock_ = 0;
};

struct PrefixCacheTest : ::testing::Test {
  PrefixCacheTest() {
    const ModelConfig& config = engine().model().config();
    ThreadPool pool(1);
    adapter = engine().add_adapter(
        Adapter::load(*random_adapter(config, 4), config, AdapterPrecision::f32, pool).value());
  }

  Engine& engine() { return *reasoner.engine; }

  // What is missing of the tokens; returns the logits after the last.
  std::vector<float> read(const OwnedSequence& sequence, std::span<const TokenId> tokens,
                          const AdapterUse& use) {
    std::vector<Row> rows;
    for (auto i = static_cast<size_t>(engine().length(sequence.id())); i < tokens.size(); ++i) {
      rows.push_back({tokens[i], sequence.id(), i + 1 == tokens.size(), false, use.at(i)});
    }
    for (size_t begin = 0; begin < rows.size(); begin += 256) {
      const size_t count = std::min<size_t>(256, rows.size() - begin);
      testing::must(engine().step(std::span(rows).subspan(begin, count)));
      if (begin + count == rows.size()) return testing::copy_logits(engine(), count - 1);
    }
    return {};
  }

  TinyReasoner reasoner;
  AdapterId adapter = kNoAdapter;
};

// Prompts of few kinds of blocks, so that many begin alike.
std::vector<TokenId> random_prompt(uint64_t round) {
  std::vector<TokenId> tokens;
  const size_t blocks = random_bits(round, 1, 0) % 5;
  for (size_t i = 0; i < blocks; ++i) {
    const auto block = testing::some_tokens(kKvBlock, random_bits(round, 2, i) % 2);
    tokens.insert(tokens.end(), block.begin(), block.end());
  }
  const auto rest =
      testing::some_tokens(random_bits(round, 3, 0) % kKvBlock, 76 + random_bits(round, 3, 1) % 2);
  tokens.insert(tokens.end(), rest.begin(), rest.end());
  if (tokens.empty()) tokens.push_back(1);
  return tokens;
}

TEST_F(PrefixCacheTest, HoldsWhatItsModelHolds) {
  const int64_t free_before = engine().free_kv_tokens();
  {
    constexpr size_t kMostBlocks = 7;
    PrefixCache cache(engine(), kMostBlocks * kKvBlock);
    ModelCache model(kMostBlocks);
    size_t hits = 0;
    for (uint64_t round = 0; round < 150; ++round) {
      const std::vector<TokenId> tokens = random_prompt(round);
      AdapterUse use;
      if (random_bits(round, 4, 0) % 2 == 0) use = {adapter, tokens.size() / 2 / 32 * 32};
      const OwnedSequence sequence = cache.find(tokens, use);
      const auto found = static_cast<size_t>(engine().length(sequence.id()));
      ASSERT_EQ(found, model.find(tokens, use)) << round;
      if (found > 0) ++hits;
      const auto logits = read(sequence, tokens, use);
      if (round % 10 == 0) {
        EXPECT_EQ(logits, read(OwnedSequence(engine()), tokens, use)) << round;
      }
      cache.insert(tokens, sequence);
      model.insert(tokens, use);
      ASSERT_EQ(cache.tokens(), static_cast<int64_t>(model.tokens())) << round;
    }
    EXPECT_GT(hits, 30u);
  }
  EXPECT_EQ(engine().free_kv_tokens(), free_before);
}

TEST_F(PrefixCacheTest, WhatAnotherAdapterWroteIsNotFound) {
  PrefixCache cache(engine(), 1024);
  const auto tokens = testing::some_tokens(4 * kKvBlock, 1);
  const AdapterUse use{adapter, 2 * kKvBlock};
  const OwnedSequence sequence(engine());
  read(sequence, tokens, use);
  cache.insert(tokens, sequence);
  const auto found = [&](const AdapterUse& wanted) {
    return engine().length(cache.find(tokens, wanted).id());
  };
  EXPECT_EQ(found(use), 4 * kKvBlock - 1);  // the last token must be read
  EXPECT_EQ(found({}), 2 * kKvBlock);
  EXPECT_EQ(found({adapter, 2 * kKvBlock - 1}), 2 * kKvBlock - 1);
  EXPECT_EQ(found({adapter, 5}), 5);
  EXPECT_EQ(found({adapter, 0}), 0);
}

TEST_F(PrefixCacheTest, WhatGrowsIsHeldOnce) {
  PrefixCache cache(engine(), 1024);
  const auto tokens = testing::some_tokens(100, 1);
  for (const size_t length : {10u, 30u, 30u, 20u, 64u, 70u, 100u}) {
    const auto beginning = std::span(tokens).subspan(0, length);
    const OwnedSequence sequence = cache.find(beginning, {});
    read(sequence, beginning, {});
    cache.insert(beginning, sequence);
    EXPECT_EQ(cache.tokens(), length > kKvBlock ? 2 * kKvBlock : kKvBlock) << length;
  }
  EXPECT_EQ(engine().length(cache.find(tokens, {}).id()), 99);
}

TEST_F(PrefixCacheTest, IsEmptiedBlockByBlock) {
  PrefixCache cache(engine(), 1024);
  const int64_t free_before = engine().free_kv_tokens();
  {
    const OwnedSequence sequence(engine());
    const auto tokens = testing::some_tokens(3 * kKvBlock + 5, 1);
    read(sequence, tokens, {});
    cache.insert(tokens, sequence);
  }
  for (int64_t blocks = 4; blocks > 0; --blocks) {
    EXPECT_EQ(cache.tokens(), blocks * kKvBlock);
    EXPECT_EQ(engine().free_kv_tokens(), free_before - blocks * kKvBlock);
    EXPECT_TRUE(cache.evict());
  }
  EXPECT_FALSE(cache.evict());
  EXPECT_EQ(engine().free_kv_tokens(), free_before);
}

}  // namespace
}  // namespace pith
