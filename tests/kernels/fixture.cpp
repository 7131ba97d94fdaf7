#include "fixture.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "tensor/half.h"

namespace pith {
namespace {

// Writes `count` finite fp16 numbers, each about `scale` times a power of two between
// 1/16 and 1, of either sign.
void fill_halves(Random& random, float scale, size_t count, uint8_t* out) {
  std::uniform_real_distribution<float> exponent(-4.0f, 0.0f);
  for (size_t i = 0; i < count; ++i) {
    const float sign = random() % 4 == 0 ? -1.0f : 1.0f;
    const uint16_t half = half_from_float(sign * scale * std::exp2(exponent(random)));
    std::memcpy(out + 2 * i, &half, sizeof half);
  }
}

}  // namespace

std::vector<float> random_floats(Random& random, size_t count, float scale) {
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

std::vector<uint8_t> random_tiles(PackedFormat format, size_t outputs, size_t inputs,
                                  Random& random) {
  const size_t bytes = tile_bytes(format, inputs);
  const size_t tiles = (outputs + kTileOutputs - 1) / kTileOutputs;
  std::vector<uint8_t> matrix(tiles * bytes);
  for (uint8_t& byte : matrix) byte = static_cast<uint8_t>(random());
  for (size_t t = 0; t < tiles; ++t) {
    uint8_t* tile = matrix.data() + t * bytes;
    if (is_super(format)) {
      for (size_t s = 0; s < inputs / kSuperInputs; ++s) {
        fill_halves(random, 1.0f / 256, 32, tile + s * super_bytes(format));
      }
    } else if (!is_float(format)) {
      fill_halves(random, 1.0f, simple_header_bytes(format, inputs) / 2, tile);
    } else if (format == PackedFormat::f16) {
      fill_halves(random, 1.0f, inputs * kTileOutputs, tile);
    } else {
      for (size_t i = 0; i < inputs * kTileOutputs; ++i) {
        const float value = random_floats(random, 1)[0];
        const uint16_t bf16 = bf16_from_float(value);
        if (format == PackedFormat::bf16) std::memcpy(tile + 2 * i, &bf16, sizeof bf16);
        if (format == PackedFormat::f32) std::memcpy(tile + 4 * i, &value, sizeof value);
      }
    }
  }
  return matrix;
}

uint32_t bits_of(float value) { return std::bit_cast<uint32_t>(value); }

Rows::Rows(const Kernels& kernels, PackedFormat format, const std::vector<float>& floats,
           size_t rows)
    : format_(format), count_(rows), inputs_(floats.size() / rows), floats_(floats) {
  if (is_float(format)) return;
  const bool super = is_super(format);
  q.resize(floats.size());
  scales.resize(floats.size() / (super ? kSuperInputs : kBlockInputs));
  if (super) {
    sums16.resize(floats.size() / 16);
    sums32.resize(floats.size() / 32);
    neg_sums8.resize(floats.size() / 8 + 1);
  } else {
    neg_sums.resize(floats.size() / kBlockInputs);
    scaled_sums.resize(floats.size() / kBlockInputs);
  }
  for (size_t row = 0; row < rows; ++row) {
    const size_t panel = panel_of(rows, row);
    const size_t first = panel_begin(rows, panel);
    const PanelRow place{from(first), panel_begin(rows, panel + 1) - first, row - first};
    const auto quantize = super ? kernels.quantize_super : kernels.quantize_simple;
    quantize(floats.data() + row * inputs_, inputs_, place);
  }
}

QuantizedRows Rows::from(size_t first) {
  const bool super = is_super(format_);
  const size_t at = first * inputs_;
  return {q.data() + at,
          scales.data() + at / (super ? kSuperInputs : kBlockInputs),
          super ? sums16.data() + at / 16 : nullptr,
          super ? sums32.data() + at / 32 : nullptr,
          super ? neg_sums8.data() + at / 8 : nullptr,
          super ? nullptr : neg_sums.data() + at / kBlockInputs,
          super ? nullptr : scaled_sums.data() + at / kBlockInputs};
}

double Rows::value(size_t row, size_t input) const {
  if (is_float(format_)) return floats_[row * inputs_ + input];
  const size_t panel = panel_of(count_, row);
  const size_t first = panel_begin(count_, panel);
  const size_t rows = panel_begin(count_, panel + 1) - first;
  const size_t group = is_super(format_) ? kSuperInputs : kBlockInputs;
  const float scale = scales[first * (inputs_ / group) + input / group * rows + row - first];
  return static_cast<double>(scale) *
         q[first * inputs_ + (input / 32 * rows + row - first) * 32 + input % 32];
}

void Rows::describe(MatmulArgs& args) const {
  args.rows = count_;
  args.inputs = inputs_;
  args.floats = floats_.data();
  // The kernels only read them.
  if (!is_float(format_)) args.quantized = const_cast<Rows*>(this)->from(0);
}

std::vector<PackedFormat> all_formats() {
  std::vector<PackedFormat> formats;
  for (int i = 0; i < kPackedFormats; ++i) formats.push_back(static_cast<PackedFormat>(i));
  return formats;
}

std::string isa_test_name(const testing::TestParamInfo<Isa>& info) {
  return std::string(isa_name(info.param));
}

std::string format_test_name(const testing::TestParamInfo<std::tuple<Isa, PackedFormat>>& info) {
  const auto [isa, format] = info.param;
  return std::string(isa_name(isa)) + "_" + packed_info(format).name;
}

INSTANTIATE_TEST_SUITE_P(All, IsaTest, testing::ValuesIn(available_isas()), isa_test_name);

}  // namespace pith
