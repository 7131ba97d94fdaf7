#include "base/error.h"

#include <gtest/gtest.h>

#include <string>

namespace pith {
namespace {

Result<int> half_of(int number) {
  if (number % 2 != 0) return fail(ErrorCode::usage, "{} is odd", number);
  return number / 2;
}

Status check_even(int number) {
  PITH_TRY([[maybe_unused]] const int half, half_of(number));
  return {};
}

Result<int> quarter_of(int number) {
  PITH_TRY_VOID(check_even(number));
  PITH_TRY(const int half, half_of(number));
  PITH_TRY(const int quarter, half_of(half));
  return quarter;
}

TEST(Error, TryGoesOnOrReturnsTheFirstError) {
  EXPECT_EQ(*quarter_of(12), 3);
  ASSERT_FALSE(quarter_of(7));
  EXPECT_EQ(quarter_of(7).error().message, "7 is odd");
  EXPECT_EQ(quarter_of(6).error().message, "3 is odd");
  EXPECT_EQ(quarter_of(6).error().code, ErrorCode::usage);
}

TEST(Printable, KeepsTextAsItIs) {
  EXPECT_EQ(printable(""), "");
  EXPECT_EQ(printable("Grüße, 世界 \U0001F600"), "Grüße, 世界 \U0001F600");
}

TEST(Printable, EscapesWhatWouldMoveTheCursorOrTurnTheText) {
  EXPECT_EQ(printable("a\nb\x1b[31m\x7f"), "a\\x0ab\\x1b[31m\\x7f");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");           // C1: CSI
  EXPECT_EQ(printable("\xe2\x80\xae"), "\\xe2\\x80\\xae");  // right-to-left override
  EXPECT_EQ(printable("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");  // line separator
  EXPECT_EQ(printable("\xe2\x81\xa6"), "\\xe2\\x81\\xa6");  // left-to-right isolate
  EXPECT_EQ(printable("\xe2\x80\xa6"), "\xe2\x80\xa6");     // an ellipsis is harmless
}

TEST(Printable, EscapesEveryByteThatIsNotUtf8) {
  EXPECT_EQ(printable("\x80z"), "\\x80z");
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(printable("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");           // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  EXPECT_EQ(printable("\xe4\xb8"), "\\xe4\\xb8");                    // cut short
}

TEST(Printable, CutsLongTextBetweenCharacters) {
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdef", 5), "abcde...");
  EXPECT_EQ(printable("ab世", 4), "ab...");
  EXPECT_EQ(printable("ab\n", 5), "ab...");
}

TEST(CheckDeathTest, EndsTheProcessWithThePlace) {
  EXPECT_DEATH(PITH_CHECK(1 + 1 == 3), "bug at .*error_test.cpp:[0-9]+: 1 \\+ 1 == 3");
}

}  // namespace
}  // namespace pith
