#include "text/unicode.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "text/byte_alphabet.h"

namespace pith {
namespace {

TEST(Unicode, ClassesOfKnownCharacters) {
  for (const char32_t c : {U'a', U'Z', U'\u00e9', U'\u00aa', U'\u4e2d', U'\uac00', U'\u02b0',
                           U'\U00010400', U'\U00032000', U'\u1c89' /* of Unicode 16 */}) {
    EXPECT_EQ(char_class(c), CharClass::letter) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U'0', U'9', U'\u00bd', U'\u0663', U'\u2167', U'\U0001d7ce'}) {
    EXPECT_EQ(char_class(c), CharClass::number) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U' ', U'\t', U'\n', U'\u000b', U'\r', U'\u0085', U'\u00a0', U'\u1680',
                           U'\u200a', U'\u2028', U'\u3000'}) {
    EXPECT_EQ(char_class(c), CharClass::space) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U'\0', U'!', U'_', U'\u001c', U'\u0301', U'\u200b', U'\u180e', U'\ufffd',
                           U'\u0378', U'\U0001f642', U'\U000e0001', U'\U0010ffff'}) {
    EXPECT_EQ(char_class(c), CharClass::other) << static_cast<uint32_t>(c);
  }
}

TEST(Unicode, CountsOfVersion16) {
  std::map<CharClass, int> counts;
  for (char32_t c = 0; c < 0x110000; ++c) ++counts[char_class(c)];
  EXPECT_EQ(counts[CharClass::letter], 141028);
  EXPECT_EQ(counts[CharClass::number], 1911);
  EXPECT_EQ(counts[CharClass::space], 25);
}

TEST(Unicode, BeyondTheLastCodePoint) {
  EXPECT_EQ(char_class(0x110000), CharClass::other);
  EXPECT_EQ(char_class(0xffffffff), CharClass::other);
}

std::optional<std::string> bytes_of_alphabet(std::string_view written) {
  std::string bytes = "before ";
  const bool read = append_bytes_of_alphabet(written, bytes);
  EXPECT_EQ(bytes.substr(0, 7), "before ");
  if (read) return bytes.substr(7);
  EXPECT_EQ(bytes.size(), 7);
  return std::nullopt;
}

TEST(ByteAlphabet, AllBytesGoThereAndBack) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  EXPECT_EQ(bytes_of_alphabet(alphabet_of_bytes(bytes)), bytes);
}

TEST(ByteAlphabet, IsTheOneOfGpt2) {
  EXPECT_EQ(alphabet_of_bytes(" a\n!\xc3\xa9\xad"), "ĠaĊ!Ã©Ń");
  EXPECT_EQ(bytes_of_alphabet("Ġworld"), " world");
}

TEST(ByteAlphabet, RefusesOtherCharacters) {
  EXPECT_EQ(bytes_of_alphabet("a b"), std::nullopt);
  EXPECT_EQ(bytes_of_alphabet("漢"), std::nullopt);
  EXPECT_EQ(bytes_of_alphabet("\xff"), std::nullopt);
  EXPECT_EQ(bytes_of_alphabet(""), "");
}

}  // namespace
}  // namespace pith
