#include "text/bpe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "text/tiny_vocabulary.h"

namespace pith {
namespace {

using testing::tiny_vocabulary;
using Merges = std::vector<std::pair<std::string, std::string>>;

// Byte pairs as the textbook has it: the best pair anywhere, leftmost first, one at a
// time, until none is left.
std::vector<std::string> textbook(const Merges& merges, std::string_view text) {
  std::vector<std::string> symbols;
  for (const char c : text) symbols.emplace_back(1, c);
  std::map<std::pair<std::string, std::string>, size_t> rank;
  for (size_t i = 0; i < merges.size(); ++i) rank.emplace(merges[i], i);
  while (true) {
    size_t best = rank.size();
    size_t position = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = rank.find({symbols[i], symbols[i + 1]});
      if (found == rank.end() || found->second >= best) continue;
      best = found->second;
      position = i;
    }
    if (best == rank.size()) return symbols;
    symbols[position] += symbols[position + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(position) + 1);
  }
}

// Merges whose parts exist, in an order that a training would not give: ranks do
// not have to rise with length.
Merges random_merges(std::mt19937& random) {
  std::vector<std::string> parts = {"a", "b", "c"};
  Merges merges;
  for (int i = 0; i < 20; ++i) {
    const std::string left = parts[random() % parts.size()];
    const std::string right = parts[random() % parts.size()];
    if (std::find(merges.begin(), merges.end(), std::pair(left, right)) != merges.end()) continue;
    merges.emplace_back(left, right);  // two of them may have one outcome
    parts.push_back(left + right);
  }
  return merges;
}

TEST(Bpe, EqualsTheTextbookOnRandomMerges) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    Merges merges = random_merges(random);
    Vocabulary vocabulary = tiny_vocabulary(merges);
    // The ranks are shuffled together with the list they are defined by.
    std::shuffle(merges.begin(), merges.end(), random);
    vocabulary.merges.clear();
    for (const auto& [left, right] : merges) {
      vocabulary.merges.push_back(fmt::format("{} {}", left, right));
    }
    const auto tokenizer = Tokenizer::create(vocabulary);
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    for (int i = 0; i < 20; ++i) {
      std::string text;
      for (size_t n = random() % 40; n > 0; --n) text += static_cast<char>('a' + random() % 3);
      std::vector<std::string> pieces;
      for (const TokenId id : tokenizer->encode(text, false)) {
        pieces.emplace_back(tokenizer->bytes(id));
      }
      ASSERT_EQ(pieces, textbook(merges, text)) << text;
    }
  }
}

TEST(Bpe, LowerRankMergesFirst) {
  const auto tokenizer = Tokenizer::create(tiny_vocabulary({{"b", "c"}, {"a", "b"}}));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode("abc", false), (std::vector<TokenId>{'a', 256}));
  EXPECT_EQ(tokenizer->encode("ab", false), (std::vector<TokenId>{257}));
}

TEST(Bpe, LeftmostOfEqualsFirst) {
  const auto tokenizer = Tokenizer::create(tiny_vocabulary({{"a", "a"}}));
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode("aaa", false), (std::vector<TokenId>{256, 'a'}));
}

TEST(Bpe, AMergeListedTwiceKeepsItsFirstRank) {
  Vocabulary vocabulary = tiny_vocabulary({{"a", "b"}, {"b", "c"}});
  vocabulary.merges.push_back("a b");
  const auto tokenizer = Tokenizer::create(vocabulary);
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode("abc", false), (std::vector<TokenId>{256, 'c'}));
}

TEST(Bpe, OneMillionOfOneLetter) {
  Merges merges;
  for (std::string part = "a"; part.size() < 64; part += part) merges.emplace_back(part, part);
  const auto tokenizer = Tokenizer::create(tiny_vocabulary(merges));
  ASSERT_TRUE(tokenizer);
  const std::string text(1000000, 'a');
  const std::vector<TokenId> ids = tokenizer->encode(text, false);
  EXPECT_EQ(ids.size(), text.size() / 64);
  EXPECT_EQ(tokenizer->decode(ids), text);
}

TEST(Bpe, RefusesMergesThatNameNoTokens) {
  for (const std::string_view merge :
       {"a", "", " ", "a ", " b", "q zz", "a b c", "\xff a", "漢 a"}) {
    Vocabulary vocabulary = tiny_vocabulary({{"a", "b"}});
    vocabulary.merges.emplace_back(merge);
    const auto tokenizer = Tokenizer::create(vocabulary);
    ASSERT_FALSE(tokenizer) << merge;
    EXPECT_EQ(tokenizer.error().code, ErrorCode::corrupt);
    EXPECT_NE(tokenizer.error().message.find("merge 1"), std::string::npos);
  }
}

}  // namespace
}  // namespace pith
