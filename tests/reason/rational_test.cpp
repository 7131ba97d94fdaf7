#include "reason/rational.h"

#include <gtest/gtest.h>

#include <limits>

namespace pith {
namespace {

constexpr Int128 kHuge = Int128{1} << 126;

TEST(Rational, IsAlwaysReducedWithPositiveDenominator) {
  EXPECT_EQ(to_string(*make_rational(6, -4)), "-3/2");
  EXPECT_EQ(to_string(*make_rational(0, -7)), "0");
  EXPECT_EQ(make_rational(2, 4), make_rational(-3, -6));
  EXPECT_FALSE(make_rational(1, 0));
}

TEST(Rational, RefusesTheOneValueThatCannotBeNegated) {
  const Int128 least = -(kHuge - 1) - kHuge - 1;
  EXPECT_FALSE(make_rational(least, 1));
  EXPECT_FALSE(make_rational(1, least));
}

TEST(Rational, AddsAndMultipliesExactly) {
  EXPECT_EQ(to_string(*add({1, 6}, {1, 10})), "4/15");
  EXPECT_EQ(to_string(*add({1, 2}, {-1, 2})), "0");
  EXPECT_EQ(to_string(*multiply({2, 3}, {9, 4})), "3/2");
  EXPECT_EQ(to_string(*divide({2, 3}, {-4, 3})), "-1/2");
  EXPECT_FALSE(divide({1, 1}, {0, 1}));
}

TEST(Rational, OverflowIsNoResult) {
  EXPECT_FALSE(add({kHuge, 1}, {kHuge, 1}));
  EXPECT_FALSE(add({-kHuge, 1}, {-kHuge, 1}));
  EXPECT_FALSE(multiply({kHuge, 1}, {2, 1}));
  EXPECT_FALSE(multiply({1, kHuge}, {1, 3}));
  // What fits in its end fits on the way.
  EXPECT_EQ(multiply({kHuge, 3}, {3, kHuge}), make_rational(1, 1));
}

TEST(Rational, Powers) {
  EXPECT_EQ(to_string(*power({-2, 3}, 3)), "-8/27");
  EXPECT_EQ(to_string(*power({2, 1}, -3)), "1/8");
  EXPECT_EQ(to_string(*power({5, 7}, 0)), "1");
  EXPECT_EQ(power({-1, 1}, 999), make_rational(-1, 1));
  EXPECT_EQ(power({1, 1}, -999), make_rational(1, 1));
  EXPECT_EQ(power({0, 1}, 999), make_rational(0, 1));
  EXPECT_FALSE(power({0, 1}, 0));
  EXPECT_FALSE(power({0, 1}, -1));
  EXPECT_FALSE(power({2, 1}, 127));
  EXPECT_FALSE(power({2, 1}, std::numeric_limits<int>::min()));
}

TEST(Rational, SquareRootsWhereRational) {
  EXPECT_EQ(exact_sqrt({49, 4}), make_rational(7, 2));
  EXPECT_EQ(exact_sqrt({0, 1}), make_rational(0, 1));
  EXPECT_EQ(exact_sqrt({kHuge, 1}), make_rational(Int128{1} << 63, 1));
  EXPECT_FALSE(exact_sqrt({2, 1}));
  EXPECT_FALSE(exact_sqrt({kHuge + 1, 1}));
  EXPECT_FALSE(exact_sqrt({-4, 1}));
}

TEST(Rational, Decimals) {
  EXPECT_EQ(to_string(*parse_decimal("12.50")), "25/2");
  EXPECT_EQ(to_string(*parse_decimal(".5")), "1/2");
  EXPECT_EQ(to_string(*parse_decimal("12.")), "12");
  EXPECT_EQ(to_string(*parse_decimal("6.72e-5")), "21/312500");
  EXPECT_EQ(to_string(*parse_decimal("1.5E+3")), "1500");
  EXPECT_EQ(to_string(*parse_decimal("0e9999")), "0");
  for (const char* bad : {"", ".", "1.2.3", "1e", "1e+", "e5", "-1", "1e99999", "1e40", "1x"}) {
    EXPECT_FALSE(parse_decimal(bad)) << bad;
  }
  EXPECT_TRUE(parse_decimal("170141183460469231731687303715884105727"));
  EXPECT_FALSE(parse_decimal("170141183460469231731687303715884105728"));
}

}  // namespace
}  // namespace pith
