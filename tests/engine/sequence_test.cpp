// Sequences against a model of them that is too simple to be wrong: a sequence is
// its list of tokens, and a block is a run of 64 of them that some of them share.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/rng.h"
#include "engine/engine_fixture.h"

namespace pith {
namespace {

using testing::copy_logits;
using testing::logits_after;
using testing::make_engine;
using testing::some_tokens;

constexpr int32_t kBlocks = 24;

// The model: tokens by sequence, and which blocks a sequence holds (blocks are
// named by a number that is never used twice).
class SimpleCache {
 public:
  struct Sequence {
    std::vector<TokenId> tokens;
    std::vector<int> blocks;
  };
  std::map<SequenceId, Sequence> sequences;

  std::set<int> blocks_in_use() const {
    std::set<int> used;
    for (const auto& [id, sequence] : sequences) {
      used.insert(sequence.blocks.begin(), sequence.blocks.end());
    }
    return used;
  }

  int holders(int block) const {
    int count = 0;
    for (const auto& [id, sequence] : sequences) {
      count += static_cast<int>(std::count(sequence.blocks.begin(), sequence.blocks.end(), block));
    }
    return count;
  }

  void append(SequenceId id, const std::vector<TokenId>& tokens) {
    Sequence& sequence = sequences.at(id);
    if (sequence.tokens.size() % kKvBlock != 0 && holders(sequence.blocks.back()) > 1) {
      sequence.blocks.back() = next_block_++;  // copied on write
    }
    sequence.tokens.insert(sequence.tokens.end(), tokens.begin(), tokens.end());
    while (sequence.blocks.size() * kKvBlock < sequence.tokens.size()) {
      sequence.blocks.push_back(next_block_++);
    }
  }

  void truncate(SequenceId id, size_t length) {
    Sequence& sequence = sequences.at(id);
    sequence.tokens.resize(length);
    sequence.blocks.resize((length + kKvBlock - 1) / kKvBlock);
  }

 private:
  int next_block_ = 0;
};

class RandomOperations : public ::testing::TestWithParam<uint64_t> {};

TEST_P(RandomOperations, EqualTheSimpleModel) {
  EngineOptions options;
  options.max_rows = 64;
  options.kv_tokens = kBlocks * kKvBlock;
  options.context_tokens = 400;
  auto engine = make_engine(tiny_spec("qwen2"), 2, options);
  auto fresh = make_engine(tiny_spec("qwen2"), 1, {});
  SimpleCache simple;
  uint64_t draws = 0;
  const auto draw = [&](uint64_t below) { return random_bits(GetParam(), 1, draws++) % below; };
  const auto pick = [&] {
    auto it = simple.sequences.begin();
    std::advance(it, static_cast<ptrdiff_t>(draw(simple.sequences.size())));
    return it->first;
  };

  for (int operation = 0; operation < 250; ++operation) {
    const uint64_t kind = simple.sequences.empty() ? 0 : draw(10);
    if (kind == 0) {
      const SequenceId id = engine->create_sequence();
      simple.sequences[id] = {};
    } else if (kind <= 2) {
      const SequenceId parent = pick();
      const SequenceId child = engine->fork(parent);
      simple.sequences[child] = simple.sequences.at(parent);
    } else if (kind == 3) {
      const SequenceId id = pick();
      engine->release(id);
      simple.sequences.erase(id);
    } else if (kind == 4) {
      const SequenceId id = pick();
      const auto length = draw(simple.sequences.at(id).tokens.size() + 1);
      engine->truncate(id, static_cast<int32_t>(length));
      simple.truncate(id, length);
    } else {  // one step that appends to one or two sequences
      SimpleCache after = simple;
      std::vector<Row> rows;
      std::map<SequenceId, size_t> last_row;
      for (uint64_t i = 0; i < 1 + draw(2); ++i) {
        const SequenceId id = pick();
        const auto tokens = some_tokens(1 + draw(31), draws);
        for (const TokenId token : tokens) rows.push_back({token, id, true});
        last_row[id] = rows.size() - 1;
        after.append(id, tokens);
      }
      bool fits = after.blocks_in_use().size() <= kBlocks;
      for (const auto& [id, row] : last_row) {
        fits = fits && after.sequences.at(id).tokens.size() <= 400;
      }
      const Status status = engine->step(rows);
      if (status) {
        ASSERT_TRUE(fits);
        simple = after;
        for (const auto& [id, row] : last_row) {
          ASSERT_EQ(copy_logits(*engine, row), logits_after(*fresh, simple.sequences.at(id).tokens))
              << "operation " << operation << " sequence " << id;
        }
      } else {
        ASSERT_FALSE(fits) << status.error().message;
        ASSERT_EQ(status.error().code, ErrorCode::exhausted);
      }
    }
    for (const auto& [id, sequence] : simple.sequences) {
      ASSERT_EQ(engine->length(id), static_cast<int32_t>(sequence.tokens.size()));
    }
    ASSERT_EQ(engine->free_kv_tokens(),
              (kBlocks - static_cast<int64_t>(simple.blocks_in_use().size())) * kKvBlock)
        << "operation " << operation;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomOperations, ::testing::Values(1, 2, 3, 4, 5, 6));

}  // namespace
}  // namespace pith
