// The small kernels of the forward pass and of logits against double precision, with
// tolerances counted in roundings; `e` is kEpsilon, one rounding's relative error.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>

#include "fixture.h"
#include "tensor/half.h"

namespace pith {
namespace {

constexpr size_t kLengths[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 576, 1537};
constexpr float kGuard = -12345.0f;

// n floats between guards, at an address that is no multiple of a vector.
class Guarded {
 public:
  explicit Guarded(size_t n) : cells_(n + 17, kGuard), size_(n) {}
  explicit Guarded(const std::vector<float>& values) : Guarded(values.size()) {
    std::copy(values.begin(), values.end(), data());
  }
  ~Guarded() {
    EXPECT_EQ(cells_[0], kGuard);
    for (size_t i = size_ + 1; i < cells_.size(); ++i) EXPECT_EQ(cells_[i], kGuard) << i - size_;
  }
  float* data() { return cells_.data() + 1; }
  float operator[](size_t i) const { return cells_[i + 1]; }

 private:
  std::vector<float> cells_;
  size_t size_;
};

// The sum of n squares is off by at most n e whatever its order, its root by half of
// that; mean, epsilon, root, inverse and two products round once each.
TEST_P(IsaTest, RmsNormIsCloseToDouble) {
  Random random(11);
  for (const size_t n : kLengths) {
    const auto x = random_floats(random, n, 2.0f);
    const auto weight = random_floats(random, n);
    const float epsilon = 1e-6f;
    double sum = 0;
    for (const float v : x) sum += double{v} * v;
    const double factor = 1.0 / std::sqrt(sum / static_cast<double>(n) + double{epsilon});
    Guarded out(n);
    kernels().rms_norm(x.data(), weight.data(), epsilon, n, out.data());
    Guarded in_place(x);
    kernels().rms_norm(in_place.data(), weight.data(), epsilon, n, in_place.data());
    for (size_t i = 0; i < n; ++i) {
      const double expected = x[i] * factor * weight[i];
      const double tolerance = (static_cast<double>(n) / 2 + 6) * kEpsilon * std::fabs(expected);
      ASSERT_NEAR(out[i], expected, tolerance) << "element " << i << " of " << n;
      ASSERT_EQ(bits_of(in_place[i]), bits_of(out[i]));
    }
  }
}

// Products round once; a sum of n squares, each rounded, is off by at most n e.
TEST_P(IsaTest, WeighIsCloseToDouble) {
  Random random(21);
  for (const size_t n : kLengths) {
    const auto x = random_floats(random, n, 2.0f);
    const auto weight = random_floats(random, n);
    double expected = 0;
    for (const float v : x) expected += double{v} * v;
    Guarded out(n);
    const float sum = kernels().weigh(x.data(), weight.data(), n, out.data());
    ASSERT_NEAR(sum, expected, static_cast<double>(n) * kEpsilon * expected);
    for (size_t i = 0; i < n; ++i) ASSERT_EQ(bits_of(out[i]), bits_of(x[i] * weight[i]));
  }
}

// The exponential is good to 2 units in the last place, 4 e; sum, quotient and product
// round once each. Past 88.3 it overflows, where the result is below 1e-36.
TEST_P(IsaTest, SiluMulIsCloseToDouble) {
  Random random(12);
  for (const size_t n : kLengths) {
    auto gate = random_floats(random, n, 4.0f);
    const auto up = random_floats(random, n);
    const float hard[] = {0.0f, -0.0f, 88.0f, -87.2f, -87.4f, -88.0f, -88.5f, -89.0f, -1e4f, 1e30f};
    for (size_t i = 0; i < std::min(n, std::size(hard)); ++i) gate[n - 1 - i] = hard[i];
    Guarded out(n);
    kernels().silu_mul(gate.data(), up.data(), n, out.data());
    Guarded in_place(gate);
    kernels().silu_mul(in_place.data(), up.data(), n, in_place.data());
    for (size_t i = 0; i < n; ++i) {
      const double g = gate[i];
      const double expected = g / (1 + std::exp(-g)) * up[i];
      const double tolerance = 8 * kEpsilon * std::fabs(expected) + 1e-36 * (1 + std::fabs(up[i]));
      ASSERT_NEAR(out[i], expected, tolerance) << "gate " << gate[i];
      ASSERT_EQ(bits_of(in_place[i]), bits_of(out[i]));
    }
  }
}

// A dense walk over the exponential's range, through silu with up = 1.
TEST_P(IsaTest, SiluIsCloseToDoubleEverywhere) {
  std::vector<float> gate;
  for (float g = -95.0f; g < 95.0f; g += 0.0037f) gate.push_back(g);
  const std::vector<float> up(gate.size(), 1.0f);
  Guarded out(gate.size());
  kernels().silu_mul(gate.data(), up.data(), gate.size(), out.data());
  for (size_t i = 0; i < gate.size(); ++i) {
    const double g = gate[i];
    const double expected = g / (1 + std::exp(-g));
    ASSERT_NEAR(out[i], expected, 8 * kEpsilon * std::fabs(expected) + 1e-36) << "gate " << g;
  }
}

TEST_P(IsaTest, AddIsExact) {
  Random random(13);
  for (const size_t n : kLengths) {
    const auto x = random_floats(random, n);
    const auto y = random_floats(random, n);
    Guarded sum(x);
    kernels().add(sum.data(), y.data(), n);
    for (size_t i = 0; i < n; ++i) ASSERT_EQ(sum[i], x[i] + y[i]);
  }
}

// Two products and a sum.
TEST_P(IsaTest, RopeIsCloseToDouble) {
  Random random(14);
  for (const size_t size : {2, 6, 16, 40, 64, 80, 96, 128, 256}) {
    for (const bool interleaved : {false, true}) {
      const size_t half = size / 2;
      const auto head = random_floats(random, size);
      std::vector<float> cosines(half);
      std::vector<float> sines(half);
      for (size_t i = 0; i < half; ++i) {
        cosines[i] = std::cos(static_cast<float>(i) + 0.5f);
        sines[i] = std::sin(static_cast<float>(i) + 0.5f);
      }
      Guarded rotated(head);
      kernels().rope(rotated.data(), cosines.data(), sines.data(), size, interleaved);
      for (size_t i = 0; i < half; ++i) {
        const size_t first = interleaved ? 2 * i : i;
        const size_t second = interleaved ? 2 * i + 1 : i + half;
        const double a = head[first];
        const double b = head[second];
        const double tolerance = 3 * kEpsilon * (std::fabs(a) + std::fabs(b));
        ASSERT_NEAR(rotated[first], a * cosines[i] - b * sines[i], tolerance);
        ASSERT_NEAR(rotated[second], b * cosines[i] + a * sines[i], tolerance);
      }
    }
  }
}

uint16_t clamped_half(float value) {
  return half_from_float(std::clamp(value, -65504.0f, 65504.0f));
}

void expect_halves(const Kernels& kernels, const std::vector<float>& values) {
  std::vector<uint16_t> out(values.size() + 1, 0xabcd);
  kernels.to_half(values.data(), values.size(), out.data());
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(out[i], clamped_half(values[i])) << values[i];
  }
  ASSERT_EQ(out.back(), 0xabcd);
}

// Every half, both neighbours of each middle between two, and beyond the range.
TEST_P(IsaTest, ToHalfEqualsTheReferenceOnAllHalves) {
  std::vector<float> values;
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const float value = float_from_half(static_cast<uint16_t>(bits));
    const float next = float_from_half(static_cast<uint16_t>(std::min(bits + 1, 0x7bffu)));
    const float middle = (value + next) / 2;
    for (const float v :
         {value, std::nextafterf(middle, 0.0f), middle, std::nextafterf(middle, 65505.0f)}) {
      values.push_back(v);
      values.push_back(-v);
    }
  }
  expect_halves(kernels(), values);
}

TEST_P(IsaTest, ToHalfEqualsTheReferenceOnRandomBits) {
  Random random(15);
  std::vector<float> values{
      65519.0f, 65520.0f, 1e30f, FLT_MAX, FLT_MIN, 1e-45f, std::numeric_limits<float>::infinity()};
  for (size_t i = 0, n = values.size(); i < n; ++i) values.push_back(-values[i]);
  while (values.size() < 50000) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (!std::isnan(value)) values.push_back(value);
  }
  expect_halves(kernels(), values);
  for (size_t n = 0; n < 20; ++n) {
    expect_halves(kernels(),
                  std::vector<float>(values.end() - static_cast<ptrdiff_t>(n), values.end()));
  }
}

TEST_P(IsaTest, MaxFindsItAnywhere) {
  Random random(16);
  for (const size_t n : kLengths) {
    auto values = random_floats(random, n);
    const size_t stride = n / 40 + 1;
    for (size_t i = 0; i < n; i += stride) {
      const float old = values[i];
      values[i] = 100.0f;
      Guarded guarded(values);
      ASSERT_EQ(kernels().max(guarded.data(), n), 100.0f) << i << " of " << n;
      values[i] = old;
    }
    std::fill(values.begin(), values.end(), -3e38f);
    ASSERT_EQ(kernels().max(values.data(), n), -3e38f);
    std::fill(values.begin(), values.end(), -std::numeric_limits<float>::infinity());
    ASSERT_EQ(kernels().max(values.data(), n), -std::numeric_limits<float>::infinity());
  }
}

// A term is off by 4 e and by e times its distance from the largest (what the
// subtraction rounds); the sum by n e; the logarithm and the last sum by their size.
TEST_P(IsaTest, LogSumExpIsCloseToDouble) {
  Random random(17);
  for (const size_t n : kLengths) {
    for (const float offset : {0.0f, 1e4f, -1e4f}) {
      for (const float spread : {0.0f, 1.0f, 60.0f}) {
        auto values = random_floats(random, n, spread);
        for (float& v : values) v += offset;
        const double largest = *std::max_element(values.begin(), values.end());
        double sum = 0;
        double distance = 0;
        for (const float v : values) {
          sum += std::exp(v - largest);
          distance = std::max(distance, std::min(largest - v, 88.0));
        }
        const double expected = largest + std::log(sum);
        const double tolerance = kEpsilon * (static_cast<double>(n) + 4 + distance + std::log(sum) +
                                             std::fabs(expected));
        ASSERT_NEAR(kernels().log_sum_exp(values.data(), n), expected, tolerance) << n;
      }
    }
  }
}

}  // namespace
}  // namespace pith
