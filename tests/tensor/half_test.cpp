#include "tensor/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace pith {
namespace {

constexpr uint32_t kAll16Bits = 1u << 16;

bool is_half_nan(uint32_t half) { return (half & 0x7fffu) > 0x7c00u; }

// The value of a half by its definition: sign, exponent, fraction.
double half_value(uint32_t half) {
  const double sign = (half & 0x8000u) != 0 ? -1.0 : 1.0;
  const int exponent = static_cast<int>((half >> 10) & 31u);
  const int fraction = static_cast<int>(half & 1023u);
  if (exponent == 31) return sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(Half, AllHaveTheValueOfTheirBits) {
  for (uint32_t half = 0; half < kAll16Bits; ++half) {
    const float value = float_from_half(static_cast<uint16_t>(half));
    if (is_half_nan(half)) {
      EXPECT_TRUE(std::isnan(value)) << half;
    } else {
      EXPECT_EQ(static_cast<double>(value), half_value(half)) << half;
      EXPECT_EQ(std::signbit(value), (half & 0x8000u) != 0) << half;
    }
  }
}

TEST(Half, AllComeBackFromFloat) {
  for (uint32_t half = 0; half < kAll16Bits; ++half) {
    const uint16_t back = half_from_float(float_from_half(static_cast<uint16_t>(half)));
    if (is_half_nan(half)) {
      EXPECT_TRUE(is_half_nan(back)) << half;
    } else {
      EXPECT_EQ(back, half);
    }
  }
}

// Between each two neighbours: below the middle goes down, above goes up, the
// middle itself to the even one.
TEST(Half, RoundsToNearestEven) {
  for (uint32_t half = 0; half < 0x7bffu; ++half) {
    const double low = half_value(half);
    const double high = half_value(half + 1);
    const auto middle = static_cast<float>((low + high) / 2);  // exact: 12 bits
    const float below = std::nextafterf(middle, 0.0f);
    const float above = std::nextafterf(middle, 1e9f);
    const uint32_t even = half + (half & 1u);
    EXPECT_EQ(half_from_float(middle), even);
    EXPECT_EQ(half_from_float(below), half);
    EXPECT_EQ(half_from_float(above), half + 1);
    EXPECT_EQ(half_from_float(-middle), even | 0x8000u);
  }
}

TEST(Half, OverflowsToInfinityFromHalfAStepAboveTheLargest) {
  EXPECT_EQ(half_from_float(65504.0f), 0x7bffu);
  EXPECT_EQ(half_from_float(std::nextafterf(65520.0f, 0.0f)), 0x7bffu);
  EXPECT_EQ(half_from_float(65520.0f), 0x7c00u);
  EXPECT_EQ(half_from_float(-std::numeric_limits<float>::max()), 0xfc00u);
  EXPECT_EQ(half_from_float(std::numeric_limits<float>::infinity()), 0x7c00u);
}

TEST(Half, UnderflowsToZeroWithItsSign) {
  EXPECT_EQ(half_from_float(0x1p-25f), 0u);  // half of the smallest: to even
  EXPECT_EQ(half_from_float(std::nextafterf(0x1p-25f, 1.0f)), 1u);
  EXPECT_EQ(half_from_float(-std::numeric_limits<float>::denorm_min()), 0x8000u);
  EXPECT_EQ(half_from_float(-0.0f), 0x8000u);
}

TEST(Bf16, AllComeBackFromFloat) {
  for (uint32_t bits = 0; bits < kAll16Bits; ++bits) {
    const float value = float_from_bf16(static_cast<uint16_t>(bits));
    EXPECT_EQ(std::bit_cast<uint32_t>(value), bits << 16);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(float_from_bf16(bf16_from_float(value)))) << bits;
    } else {
      EXPECT_EQ(bf16_from_float(value), bits);
    }
  }
}

TEST(Bf16, RoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7f7fu; ++bits) {
    const uint32_t middle = (bits << 16) | 0x8000u;
    EXPECT_EQ(bf16_from_float(std::bit_cast<float>(middle)), bits + (bits & 1u));
    EXPECT_EQ(bf16_from_float(std::bit_cast<float>(middle - 1)), bits);
    EXPECT_EQ(bf16_from_float(std::bit_cast<float>(middle + 1)), bits + 1);
  }
  EXPECT_EQ(bf16_from_float(std::numeric_limits<float>::max()), 0x7f80u);
}

// A NaN whose payload lies in the lower half must not turn into infinity.
TEST(Bf16, NanStaysNan) {
  EXPECT_TRUE(std::isnan(float_from_bf16(bf16_from_float(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_TRUE(std::isnan(float_from_bf16(bf16_from_float(std::bit_cast<float>(0xffffffffu)))));
}

}  // namespace
}  // namespace pith
