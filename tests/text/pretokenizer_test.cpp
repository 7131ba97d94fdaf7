#include "text/pretokenizer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "text/golden.h"
#include "text/utf8.h"

namespace pith {
namespace {

using testing::golden;
using Pieces = std::vector<std::string>;

constexpr std::string_view kNames[] = {"gpt-2", "smollm", "qwen2", "llama-bpe"};

Pieces cut(std::string_view name, std::string_view text) {
  const PreTokenizer kind = pretokenizer_by_name(name).value();
  Pieces pieces;
  for (size_t begin = 0, end = 0; begin < text.size(); begin = end) {
    end = pretoken_end(kind, text, begin);
    if (end <= begin || end > text.size()) {
      ADD_FAILURE() << name << ": a pre-token from " << begin << " to " << end;
      break;
    }
    pieces.emplace_back(text.substr(begin, end - begin));
  }
  return pieces;
}

TEST(PreTokenizer, Names) {
  EXPECT_EQ(pretokenizer_by_name("deepseek-r1-qwen"), PreTokenizer::qwen2);
  EXPECT_EQ(pretokenizer_by_name("llama3"), PreTokenizer::llama3);
  EXPECT_EQ(pretokenizer_by_name("default"), std::nullopt);
  EXPECT_EQ(pretokenizer_by_name(""), std::nullopt);
}

TEST(PreTokenizer, Gpt2ByHand) {
  EXPECT_EQ(cut("gpt-2", "I'm  12a!?\n\n b"),
            (Pieces{"I", "'m", " ", " 12", "a", "!?", "\n\n", " b"}));
  EXPECT_EQ(cut("gpt-2", "I'M"), (Pieces{"I", "'", "M"}));
  EXPECT_EQ(cut("gpt-2", "x   "), (Pieces{"x", "   "}));
}

TEST(PreTokenizer, SmollmCutsNumbersFirst) {
  EXPECT_EQ(cut("smollm", "a  12 b"), (Pieces{"a", "  ", "1", "2", " b"}));
  EXPECT_EQ(cut("smollm", "$5"), (Pieces{"$", "5"}));
}

TEST(PreTokenizer, QwenByHand) {
  EXPECT_EQ(cut("qwen2", "It'S 123 (x)!\n\n  y"),
            (Pieces{"It", "'S", " ", "1", "2", "3", " (", "x", ")!\n\n", " ", " y"}));
  EXPECT_EQ(cut("qwen2", "a \n \n b"), (Pieces{"a", " \n \n", " b"}));
}

TEST(PreTokenizer, LlamaTakesThreeDigits) {
  EXPECT_EQ(cut("llama-bpe", "12345678"), (Pieces{"123", "456", "78"}));
}

TEST(PreTokenizer, GoldensOfTokenizers) {
  const auto goldens = golden("splits.json");
  const auto texts = goldens["texts"].get<std::vector<std::string>>();
  ASSERT_GT(texts.size(), 200u);
  for (const std::string_view name : kNames) {
    const auto& cuts = goldens["cuts"][std::string(name)];
    for (size_t i = 0; i < texts.size(); ++i) {
      std::vector<size_t> lengths;
      for (const std::string& piece : cut(name, texts[i])) lengths.push_back(piece.size());
      EXPECT_EQ(lengths, cuts[i].get<std::vector<size_t>>()) << name << ": " << texts[i];
    }
  }
}

// Each maximal invalid part is cut as the U+FFFD in its place would be.
TEST(PreTokenizer, InvalidBytesCountAsReplacementCharacters) {
  std::mt19937 random(2);
  constexpr std::string_view kParts[] = {
      "a",        "1",        " ",        "\n",           "!",       "'s", "\xff",
      "\xe2\x82", "\xc3\xa9", "\xf0\x9f", "\xed\xa0\x80", "\xc0\xaf"};
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (size_t n = random() % 10; n > 0; --n) text += kParts[random() % std::size(kParts)];
    std::string repaired;
    for (size_t at = 0; at < text.size();) {
      const Utf8Char c = decode_utf8(text, at);
      append_utf8(repaired, c.code_point);
      at += c.length;
    }
    for (const std::string_view name : kNames) {
      Pieces pieces = cut(name, text);
      for (std::string& piece : pieces) {
        std::string fixed;
        for (size_t at = 0; at < piece.size();) {
          const Utf8Char c = decode_utf8(piece, at);
          append_utf8(fixed, c.code_point);
          at += c.length;
        }
        piece = fixed;
      }
      ASSERT_EQ(pieces, cut(name, repaired)) << name;
    }
  }
}

TEST(PreTokenizer, LinearOnHostileTexts) {
  const auto start = std::chrono::steady_clock::now();
  for (const std::string_view unit : {" ", "a", "\n", "'", "1", "!", "\n ", " \n", "'r", " '",
                                      "\xff", "\xe3\x80\x80", "  a", " !", "a1"}) {
    std::string text;
    while (text.size() < 100000) text += unit;
    for (const std::string_view name : kNames) {
      for (const std::string_view tail : {"", "x", "1"}) {
        size_t bytes = 0;
        for (const std::string& piece : cut(name, text + std::string(tail))) bytes += piece.size();
        ASSERT_EQ(bytes, text.size() + tail.size());
      }
    }
  }
  // All of it is 18 MB, less than a second; quadratic texts would take minutes.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::minutes(1));
}

}  // namespace
}  // namespace pith
