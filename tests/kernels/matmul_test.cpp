// Products of packed matrices with rows: every format on every ISA against the
// scalar twin, bit for bit, and that twin against products in double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "fixture.h"
#include "support/packed_decode.h"

namespace pith {
namespace {

constexpr float kUnwritten = -12345.0f;

// An output [rows, outputs] with guards between and around its rows.
struct Output {
  static constexpr size_t kMargin = 9;

  Output(size_t row_count, size_t output_count)
      : outputs(output_count),
        stride(output_count + kMargin),
        cells(kMargin + row_count * stride, kUnwritten) {}

  float* row(size_t index) { return cells.data() + kMargin + index * stride; }
  void describe(MatmulArgs& args) {
    args.outputs = outputs;
    args.out = row(0);
    args.out_stride = stride;
  }

  size_t outputs;
  size_t stride;
  std::vector<float> cells;
};

// All tiles, into `out`.
void multiply(const Kernels& kernels, PackedFormat format, const std::vector<uint8_t>& tiles,
              const Rows& rows, bool accumulate, Output& out) {
  MatmulArgs args;
  args.tiles = tiles.data();
  args.end_tile = (out.outputs + kTileOutputs - 1) / kTileOutputs;
  args.accumulate = accumulate;
  rows.describe(args);
  out.describe(args);
  kernels.matmul[static_cast<size_t>(format)](args);
}

void expect_same_bits(const Output& actual, const Output& expected, const std::string& what) {
  for (size_t i = 0; i < expected.cells.size(); ++i) {
    ASSERT_EQ(bits_of(actual.cells[i]), bits_of(expected.cells[i]))
        << what << ", row " << (i + 1 - Output::kMargin) / expected.stride << ", cell " << i << ": "
        << actual.cells[i] << " instead of " << expected.cells[i];
  }
}

// Of one block, of several, of an odd number; of any length for float formats.
std::vector<size_t> input_sizes(PackedFormat format) {
  if (is_super(format)) return {256, 512, 768};
  if (is_float(format)) return {1, 7, 32, 67};
  return {32, 64, 96, 288, 352};
}

constexpr size_t kOutputSizes[] = {1, 15, 16, 17, 40};
constexpr size_t kRowCounts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 33};

TEST_P(FormatTest, MatmulEqualsScalarToTheBit) {
  Random random(1);
  const std::vector<size_t> sizes = input_sizes(format());
  size_t turn = 0;
  for (const size_t rows : kRowCounts) {
    for (const size_t outputs : kOutputSizes) {
      const size_t inputs = sizes[turn % sizes.size()];
      const bool accumulate = turn++ / sizes.size() % 2 == 1;
      const auto tiles = random_tiles(format(), outputs, inputs, random);
      const Rows activations(kScalarKernels, format(), random_floats(random, rows * inputs), rows);
      Output actual(rows, outputs);
      Output expected(rows, outputs);
      multiply(kernels(), format(), tiles, activations, accumulate, actual);
      multiply(kScalarKernels, format(), tiles, activations, accumulate, expected);
      expect_same_bits(actual, expected,
                       std::to_string(rows) + " rows, " + std::to_string(inputs) + " inputs, " +
                           std::to_string(outputs) + " outputs");
    }
  }
}

// The largest sums that integers of 16 bits must hold: every weight and every
// activation at an end of its range.
TEST_P(FormatTest, MatmulOfExtremesEqualsScalar) {
  Random random(2);
  const size_t inputs = is_super(format()) ? 512 : 64;
  const size_t rows = 6;
  const size_t outputs = 16;
  std::vector<float> floats(rows * inputs);
  for (size_t i = 0; i < floats.size(); ++i) {
    const size_t row = i / inputs;
    floats[i] = row == 0 ? 1.0f : row == 1 ? -1.0f : random() % 2 == 0 ? 1.0f : -1.0f;
  }
  const Rows activations(kScalarKernels, format(), floats, rows);
  constexpr uint8_t kPatterns[] = {0x00, 0xff, 0x0f, 0xf0, 0x80, 0x7f};
  for (const uint8_t weight_bits : kPatterns) {
    auto tiles = random_tiles(format(), outputs, inputs, random);
    if (is_super(format())) {
      for (size_t s = 0; s < inputs / kSuperInputs; ++s) {
        const auto begin = tiles.begin() + static_cast<ptrdiff_t>(s * super_bytes(format()));
        const uint8_t scale = format() == PackedFormat::k6 && s == 0 ? 0x80 : 0xff;
        std::fill(begin + 64, begin + static_cast<ptrdiff_t>(super_header_bytes(format())), scale);
        std::fill(begin + static_cast<ptrdiff_t>(super_header_bytes(format())),
                  begin + static_cast<ptrdiff_t>(super_bytes(format())), weight_bits);
      }
    } else if (!is_float(format())) {
      std::fill(tiles.begin() + static_cast<ptrdiff_t>(simple_header_bytes(format(), inputs)),
                tiles.end(), weight_bits);
    }
    Output actual(rows, outputs);
    Output expected(rows, outputs);
    multiply(kernels(), format(), tiles, activations, false, actual);
    multiply(kScalarKernels, format(), tiles, activations, false, expected);
    expect_same_bits(actual, expected, "weights of bits " + std::to_string(weight_bits));
  }
}

TEST_P(FormatTest, MatmulWritesItsTilesAlone) {
  Random random(3);
  const size_t inputs = input_sizes(format())[1];
  const size_t outputs = 5 * kTileOutputs - 3;
  const size_t rows = 5;
  const auto tiles = random_tiles(format(), outputs, inputs, random);
  const Rows activations(kScalarKernels, format(), random_floats(random, rows * inputs), rows);
  Output whole(rows, outputs);
  multiply(kernels(), format(), tiles, activations, false, whole);
  for (size_t begin = 0; begin <= 5; ++begin) {
    for (size_t end = begin; end <= 5; ++end) {
      Output actual(rows, outputs);
      Output expected(rows, outputs);
      for (size_t row = 0; row < rows; ++row) {
        for (size_t o = begin * kTileOutputs; o < std::min(outputs, end * kTileOutputs); ++o) {
          expected.row(row)[o] = whole.row(row)[o];
        }
      }
      MatmulArgs args;
      args.tiles = tiles.data();
      args.first_tile = begin;
      args.end_tile = end;
      activations.describe(args);
      actual.describe(args);
      kernels().matmul[static_cast<size_t>(format())](args);
      expect_same_bits(actual, expected,
                       "tiles " + std::to_string(begin) + " to " + std::to_string(end));
    }
  }
}

// Rule 2: a row's result does not depend on the others, their number or its place.
TEST_P(FormatTest, MatmulOfARowIsTheSameInAnyPanel) {
  Random random(4);
  const size_t inputs = input_sizes(format()).back();
  const size_t outputs = 17;
  const auto tiles = random_tiles(format(), outputs, inputs, random);
  const std::vector<float> row = random_floats(random, inputs);
  Output alone(1, outputs);
  multiply(kernels(), format(), tiles, Rows(kernels(), format(), row, 1), false, alone);
  for (const size_t rows : kRowCounts) {
    std::vector<float> floats = random_floats(random, rows * inputs, 3.0f);
    for (const size_t place : {size_t{0}, rows / 2, rows - 1}) {
      std::copy(row.begin(), row.end(), floats.begin() + static_cast<ptrdiff_t>(place * inputs));
      Output together(rows, outputs);
      multiply(kernels(), format(), tiles, Rows(kernels(), format(), floats, rows), false,
               together);
      for (size_t o = 0; o < outputs; ++o) {
        ASSERT_EQ(bits_of(together.row(place)[o]), bits_of(alone.row(0)[o]))
            << "row " << place << " of " << rows << ", output " << o;
      }
    }
  }
}

// Per block the kernels round a handful of times and then add to the sum: with n
// blocks (inputs, for floats) each term passes at most 2 n + 4 roundings, each of
// a relative 2^-24.
TEST_P(FormatTest, MatmulIsCloseToTheProductInDouble) {
  Random random(5);
  for (const size_t inputs : input_sizes(format())) {
    const size_t outputs = 19;
    const size_t rows = 3;
    const auto tiles = random_tiles(format(), outputs, inputs, random);
    const Rows activations(kernels(), format(), random_floats(random, rows * inputs), rows);
    Output out(rows, outputs);
    multiply(kernels(), format(), tiles, activations, false, out);
    const size_t group = is_super(format()) ? 256 : is_float(format()) ? 1 : 32;
    const double tolerance = static_cast<double>(2 * inputs / group + 4) * kEpsilon;
    for (size_t row = 0; row < rows; ++row) {
      for (size_t o = 0; o < outputs; ++o) {
        double sum = 0;
        double magnitude = 0;
        for (size_t i = 0; i < inputs; ++i) {
          const DecodedWeight w = decode_packed(format(), tiles.data(), inputs, o, i);
          const double scaled = double{w.scale} * w.weight;
          const double x = activations.value(row, i);
          sum += (scaled + w.minimum) * x;
          magnitude += (std::fabs(scaled) + std::fabs(w.minimum)) * std::fabs(x);
        }
        ASSERT_NEAR(out.row(row)[o], sum, tolerance * magnitude)
            << "row " << row << ", output " << o << " of " << inputs << " inputs";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, FormatTest,
                         testing::Combine(testing::ValuesIn(available_isas()),
                                          testing::ValuesIn(all_formats())),
                         format_test_name);

}  // namespace
}  // namespace pith
