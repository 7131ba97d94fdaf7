// Activations to 8 bits: every ISA against the scalar twin, bit for bit, and that
// twin against what kernels.h promises.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "fixture.h"

namespace pith {
namespace {

constexpr PackedFormat kKinds[] = {PackedFormat::k4m, PackedFormat::s4};  // super, simple

template <class T>
void expect_same(const std::vector<T>& actual, const std::vector<T>& expected, const char* what) {
  ASSERT_EQ(actual.size(), expected.size());
  if (actual.empty()) return;
  EXPECT_EQ(std::memcmp(actual.data(), expected.data(), actual.size() * sizeof(T)), 0) << what;
}

void expect_same_rows(const Rows& actual, const Rows& expected) {
  expect_same(actual.q, expected.q, "q");
  expect_same(actual.scales, expected.scales, "scales");
  expect_same(actual.sums16, expected.sums16, "sums16");
  expect_same(actual.sums32, expected.sums32, "sums32");
  expect_same(actual.neg_sums8, expected.neg_sums8, "neg_sums8");
  expect_same(actual.neg_sums, expected.neg_sums, "neg_sums");
  expect_same(actual.scaled_sums, expected.scaled_sums, "scaled_sums");
}

// Values that a careless quantiser gets wrong, 512 of each kind.
std::vector<std::vector<float>> hard_values() {
  constexpr size_t kCount = 512;
  Random random(6);
  std::vector<std::vector<float>> all;
  const auto add = [&](auto&& value_at) {
    std::vector<float>& values = all.emplace_back(kCount);
    for (size_t i = 0; i < kCount; ++i) values[i] = value_at(i);
  };
  add([](size_t) { return 0.0f; });
  add([](size_t) { return -0.0f; });
  add([](size_t i) { return i % 3 == 0 ? -1.0f : 1.0f; });
  // Halves: the factor is exactly 1, and rounding goes to the even neighbour.
  add([](size_t i) { return i % 32 == 0 ? 127.0f : static_cast<float>(i % 127) - 63.5f; });
  add([](size_t i) { return i == 77 ? 1e4f : 1e-3f; });
  add([](size_t i) {
    return std::ldexp(i % 2 == 0 ? 1.0f : -1.5f, -149 + static_cast<int>(i / 4));
  });
  add([](size_t i) { return std::numeric_limits<float>::denorm_min() * static_cast<float>(i); });
  add([](size_t i) { return kNoActivation * (i % 2 == 0 ? 1.0f : -0.25f); });
  add([](size_t i) { return std::nextafterf(kNoActivation, 1.0f) * (i % 2 == 0 ? 1.0f : 0.3f); });
  add([](size_t i) { return i % 2 == 0 ? std::numeric_limits<float>::max() : -3e37f; });
  std::normal_distribution<float> exponent(0.0f, 20.0f);
  add([&](size_t) { return std::exp2(exponent(random)); });
  return all;
}

TEST_P(IsaTest, QuantizeEqualsScalarToTheBit) {
  Random random(7);
  for (const PackedFormat kind : kKinds) {
    for (const size_t inputs :
         is_super(kind) ? std::vector<size_t>{256, 1280} : std::vector<size_t>{32, 96, 608}) {
      for (const size_t rows : {1, 2, 3, 7, 16, 17, 33}) {
        const auto floats = random_floats(random, rows * inputs, 5.0f);
        expect_same_rows(Rows(kernels(), kind, floats, rows),
                         Rows(kScalarKernels, kind, floats, rows));
      }
    }
  }
}

TEST_P(IsaTest, QuantizeOfHardValuesEqualsScalar) {
  const auto all = hard_values();
  for (size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE("kind " + std::to_string(i));
    for (const PackedFormat kind : kKinds) {
      expect_same_rows(Rows(kernels(), kind, all[i], 1), Rows(kScalarKernels, kind, all[i], 1));
      expect_same_rows(Rows(kernels(), kind, all[i], 2), Rows(kScalarKernels, kind, all[i], 2));
    }
  }
}

// The factor and the product round once each, so that x / scale is off by less than
// 127 * 4 epsilon before it is rounded to the nearest integer.
TEST_P(IsaTest, QuantizedIsWithinHalfAStep) {
  auto all = hard_values();
  Random random(8);
  all.push_back(random_floats(random, 512, 0.1f));
  for (const auto& floats : all) {
    for (const PackedFormat kind : kKinds) {
      const size_t group = is_super(kind) ? kSuperInputs : kBlockInputs;
      const Rows rows(kernels(), kind, floats, 1);
      for (size_t i = 0; i < floats.size(); ++i) {
        const double scale = rows.scales[i / group];
        const double error = std::fabs(rows.value(0, i) - floats[i]);
        const double subnormal = scale < 1e-30 ? double{kNoActivation} : 0.0;
        ASSERT_LE(error, scale * (0.5 + 127 * 4 * kEpsilon) + subnormal) << floats[i];
      }
    }
  }
}

// The row at `index` of a panel of 5, between guards, and nothing else.
TEST_P(IsaTest, QuantizeWritesItsRowAlone) {
  Random random(9);
  constexpr size_t kRows = 5;
  for (const PackedFormat kind : kKinds) {
    const bool super = is_super(kind);
    const size_t inputs = 512;
    const auto floats = random_floats(random, inputs);
    for (size_t index = 0; index < kRows; ++index) {
      std::vector<int8_t> q(kRows * inputs, 77);
      std::vector<float> scales(kRows * inputs / 32, 77.0f);
      std::vector<int16_t> sums16(kRows * inputs / 16, 7777);
      std::vector<int16_t> sums32(kRows * inputs / 32, 7777);
      std::vector<int16_t> neg_sums8(kRows * inputs / 8, 7777);
      std::vector<int32_t> neg_sums(kRows * inputs / 32, 777777);
      std::vector<float> scaled_sums(kRows * inputs / 32, 77.0f);
      const PanelRow row{{q.data(), scales.data(), sums16.data(), sums32.data(), neg_sums8.data(),
                          neg_sums.data(), scaled_sums.data()},
                         kRows,
                         index};
      (super ? kernels().quantize_super : kernels().quantize_simple)(floats.data(), inputs, row);
      // Cells of `width` elements alternate between the panel's rows.
      const auto expect_others_kept = [&](const auto& cells, size_t width, auto guard, size_t end) {
        for (size_t i = 0; i < cells.size(); ++i) {
          const bool own = i < end && i / width % kRows == index;
          if (!own) {
            ASSERT_EQ(cells[i], guard) << "element " << i;
          }
        }
      };
      expect_others_kept(q, 32, int8_t{77}, q.size());
      expect_others_kept(scales, 1, 77.0f, kRows * inputs / (super ? 256 : 32));
      expect_others_kept(sums16, 2, int16_t{7777}, super ? sums16.size() : 0);
      expect_others_kept(sums32, 2, int16_t{7777}, super ? sums32.size() : 0);
      expect_others_kept(neg_sums8, 4, int16_t{7777}, super ? neg_sums8.size() : 0);
      expect_others_kept(neg_sums, 1, 777777, super ? 0 : neg_sums.size());
      expect_others_kept(scaled_sums, 1, 77.0f, super ? 0 : scaled_sums.size());
    }
  }
}

// The arrays beside q follow from it.
TEST_P(IsaTest, SumsAreThoseOfTheQuantisedRow) {
  Random random(10);
  const size_t inputs = 512;
  const auto floats = random_floats(random, inputs);
  const Rows super(kernels(), PackedFormat::k4m, floats, 1);
  const Rows simple(kernels(), PackedFormat::s4, floats, 1);
  const auto sum = [](const Rows& rows, size_t begin, size_t count) {
    int total = 0;
    for (size_t i = begin; i < begin + count; ++i) total += rows.q[i];
    return total;
  };
  for (size_t i = 0; i < inputs / 16; ++i) {
    EXPECT_EQ(super.sums16[i], sum(super, 16 * i, 16));
  }
  for (size_t i = 0; i < inputs / 8; ++i) {
    EXPECT_EQ(super.neg_sums8[i], -32 * sum(super, 8 * i, 8));
  }
  for (size_t i = 0; i < inputs / 32; ++i) {
    EXPECT_EQ(super.sums32[i], sum(super, 32 * i, 32));
    EXPECT_EQ(simple.neg_sums[i], -sum(simple, 32 * i, 32));
    EXPECT_EQ(simple.scaled_sums[i],
              simple.scales[i] * static_cast<float>(sum(simple, 32 * i, 32)));
  }
}

TEST_P(IsaTest, QuantizeOfNanAndInfinityDoesNotTrap) {
  for (const PackedFormat kind : kKinds) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
          -std::numeric_limits<float>::infinity()}) {
      std::vector<float> floats(256, 1.0f);
      floats[100] = bad;
      const Rows rows(kernels(), kind, floats, 1);
      EXPECT_EQ(rows.q.size(), 256u);
    }
  }
}

}  // namespace
}  // namespace pith
