// What the kernel tests share: random packed matrices and quantised rows.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "kernels/kernels.h"

namespace pith {

inline constexpr double kEpsilon = 0x1p-24;  // half a unit in the last place of 1.0f

using Random = std::mt19937_64;

// `count` floats, normally distributed with deviation `scale`.
std::vector<float> random_floats(Random& random, size_t count, float scale = 1.0f);

// The tiles of a matrix of random bits: every stored weight, integer scale and
// minimum is as likely as any other; fp16 factors are finite and of mixed size.
std::vector<uint8_t> random_tiles(PackedFormat format, size_t outputs, size_t inputs,
                                  Random& random);

// The bits of a float, for comparisons that tell 0 from -0 and NaN from NaN.
uint32_t bits_of(float value);

// T rows as the matmuls of `format` read them, quantised by `kernels`.
class Rows {
 public:
  Rows(const Kernels& kernels, PackedFormat format, const std::vector<float>& floats, size_t rows);

  size_t count() const { return count_; }
  size_t inputs() const { return inputs_; }
  const std::vector<float>& floats() const { return floats_; }
  // Row `row`'s input `input` as its format holds it.
  double value(size_t row, size_t input) const;
  // Into the fields of `args` that describe rows.
  void describe(MatmulArgs& args) const;

  // Of all panels (kernels.h).
  std::vector<int8_t> q;
  std::vector<float> scales;
  std::vector<int16_t> sums16;
  std::vector<int16_t> sums32;
  std::vector<int16_t> neg_sums8;
  std::vector<int32_t> neg_sums;
  std::vector<float> scaled_sums;

 private:
  QuantizedRows from(size_t first);  // pointers to the panel that starts at row `first`

  PackedFormat format_;
  size_t count_;
  size_t inputs_;
  std::vector<float> floats_;
};

// Tests of every kernel of every ISA that this machine runs.
class IsaTest : public testing::TestWithParam<Isa> {
 protected:
  const Kernels& kernels() const { return kernels_for(GetParam()); }
};

// Tests of every format on every such ISA.
class FormatTest : public testing::TestWithParam<std::tuple<Isa, PackedFormat>> {
 protected:
  const Kernels& kernels() const { return kernels_for(std::get<0>(GetParam())); }
  PackedFormat format() const { return std::get<1>(GetParam()); }
};

std::vector<PackedFormat> all_formats();
std::string isa_test_name(const testing::TestParamInfo<Isa>& info);
std::string format_test_name(const testing::TestParamInfo<std::tuple<Isa, PackedFormat>>& info);

}  // namespace pith
