#include "text/utf8.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace pith {
namespace {

using State = Utf8Char::State;

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// The whole text with what is invalid replaced, in one go.
std::string repaired(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    append_utf8(out, c.code_point);
    at += c.length;
  }
  return out;
}

// Random bytes of the kinds that make decoders stumble.
std::string random_bytes(std::mt19937& random, size_t length) {
  constexpr unsigned char kHard[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
                                     0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe1,
                                     0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff};
  std::string bytes;
  for (size_t i = 0; i < length; ++i) {
    bytes += static_cast<char>(kHard[random() % std::size(kHard)]);
  }
  return bytes;
}

TEST(Utf8, EveryScalarValueGoesThereAndBack) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    std::string text;
    append_utf8(text, c);
    const Utf8Char decoded = decode_utf8(text, 0);
    ASSERT_EQ(decoded.state, State::valid) << std::hex << static_cast<uint32_t>(c);
    ASSERT_EQ(decoded.code_point, c);
    ASSERT_EQ(decoded.length, text.size());
  }
}

TEST(Utf8, NothingElseIsValid) {
  const std::string_view invalid[] = {
      "\x80",              // a continuation alone
      "\xc0\x80",          // overlong, 2 bytes
      "\xc1\xbf",          //
      "\xe0\x9f\xbf",      // overlong, 3 bytes
      "\xf0\x8f\xbf\xbf",  // overlong, 4 bytes
      "\xed\xa0\x80",      // surrogates
      "\xed\xbf\xbf",      //
      "\xf4\x90\x80\x80",  // above U+10FFFF
      "\xf5\x80\x80\x80",  //
      "\xff",              //
  };
  for (const std::string_view text : invalid) {
    const Utf8Char c = decode_utf8(text, 0);
    EXPECT_EQ(c.state, State::invalid);
    EXPECT_EQ(c.code_point, kReplacementCharacter);
    EXPECT_EQ(c.length, 1);
  }
}

TEST(Utf8, MaximalSubpartsOfTheStandard) {
  // Unicode 15, section 3.9, tables 3-8 to 3-11.
  const std::string r(kReplacement);
  EXPECT_EQ(repaired("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41"), r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(repaired("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41"), r + r + r + r + r + r + r + r + "A");
  EXPECT_EQ(repaired("\xf4\x91\x92\x93\xff\x41\x80\xbf\x42"),
            r + r + r + r + r + "A" + r + r + "B");
  EXPECT_EQ(repaired("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"), r + r + r + r + "A");
}

TEST(Utf8, CutCharactersAreIncomplete) {
  for (const std::string_view whole : {"\xc2\xa2", "\xe2\x82\xac", "\xf0\x9f\x99\x82"}) {
    for (size_t length = 1; length < whole.size(); ++length) {
      const Utf8Char c = decode_utf8(whole.substr(0, length), 0);
      EXPECT_EQ(c.state, State::incomplete);
      EXPECT_EQ(c.length, length);
    }
  }
}

TEST(Utf8Stream, EveryCutOfATextGivesTheSameText) {
  const std::string text =
      "a\xc2\xa2 \xe2\x82\xac\xf0\x9f\x99\x82z\xf0\x9f\xe2\x82\xff\xed\xa0\x80!";
  const std::string expected = repaired(text);
  for (size_t first = 0; first <= text.size(); ++first) {
    for (size_t second = first; second <= text.size(); ++second) {
      Utf8Stream stream;
      std::string out = stream.push(std::string_view(text).substr(0, first));
      out += stream.push(std::string_view(text).substr(first, second - first));
      out += stream.push(std::string_view(text).substr(second));
      out += stream.finish();
      ASSERT_EQ(out, expected) << first << " " << second;
    }
  }
}

TEST(Utf8Stream, AnyBytesInAnyPieces) {
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    const std::string text = random_bytes(random, random() % 12);
    Utf8Stream stream;
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const size_t length = std::min<size_t>(random() % 4, text.size() - at);
      const std::string piece = stream.push(std::string_view(text).substr(at, length));
      ASSERT_EQ(repaired(piece), piece) << "not valid at every moment";
      out += piece;
      at += length;
    }
    out += stream.finish();
    ASSERT_EQ(out, repaired(text));
  }
}

TEST(Utf8Stream, HoldsBackOnlyWhatIsUnfinished) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xf0\x9f"), "a");
  EXPECT_EQ(stream.push("\x99"), "");
  EXPECT_EQ(stream.push("\x82"
                        "b"),
            "\xf0\x9f\x99\x82"
            "b");
  EXPECT_EQ(stream.push("\xe2\x82"), "");
  EXPECT_EQ(stream.push("x"), std::string(kReplacement) + "x");
  EXPECT_EQ(stream.push("\xe2"), "");
  EXPECT_EQ(stream.finish(), kReplacement);
  EXPECT_EQ(stream.finish(), "");
}

}  // namespace
}  // namespace pith
