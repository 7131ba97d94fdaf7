#include "support/quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "tensor/half.h"

namespace pith {
namespace {

using Floats = std::span<const float>;
using Bytes = std::span<uint8_t>;  // of one block, zero at first

// Rounds `scale` to what fp16 holds, writes it, and returns it.
float put_half(Bytes block, size_t at, float scale) {
  const uint16_t half = half_from_float(scale);
  std::memcpy(block.data() + at, &half, sizeof(half));
  return float_from_half(half);
}

void set_bits(uint8_t& byte, int value, int shift) {
  byte = static_cast<uint8_t>(byte | value << shift);
}

// The level nearest to value / scale, from `low` to `high`.
int level(float value, float scale, int low, int high) {
  if (scale == 0.0f) return std::clamp(0, low, high);
  return std::clamp(static_cast<int>(std::lround(value / scale)), low, high);
}

float largest_magnitude(Floats values) {
  float largest = 0.0f;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

void float_block(DType type, float value, Bytes block) {
  const uint16_t narrow = type == DType::f16 ? half_from_float(value) : bf16_from_float(value);
  if (type == DType::f32) {
    std::memcpy(block.data(), &value, sizeof(value));
  } else {
    std::memcpy(block.data(), &narrow, sizeof(narrow));
  }
}

// Puts 32 levels of 4 or 5 bits: `nibbles` and, for 5 bits, `fifth` (a u32 before them).
void put_32(Bytes block, size_t nibbles, bool has_fifth, const std::array<int, 32>& levels) {
  for (size_t i = 0; i < 32; ++i) {
    set_bits(block[nibbles + i % 16], levels[i] & 15, i < 16 ? 0 : 4);
    if (has_fifth) set_bits(block[nibbles - 4 + i / 8], levels[i] >> 4, static_cast<int>(i % 8));
  }
}

// Q4_0, Q5_0: levels around 2^(bits - 1).
void centered_block(Floats values, int bits, Bytes block) {
  const int center = 1 << (bits - 1);
  const float scale =
      put_half(block, 0, largest_magnitude(values) / static_cast<float>(center - 1));
  std::array<int, 32> levels = {};
  for (size_t i = 0; i < 32; ++i) {
    levels[i] = level(values[i], scale, -center, center - 1) + center;
  }
  put_32(block, bits == 5 ? 6 : 2, bits == 5, levels);
}

// Q4_1, Q5_1: levels from the smallest value up.
void minimum_block(Floats values, int bits, Bytes block) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const int top = (1 << bits) - 1;
  const float scale = put_half(block, 0, (*high - *low) / static_cast<float>(top));
  const float minimum = put_half(block, 2, *low);
  std::array<int, 32> levels = {};
  for (size_t i = 0; i < 32; ++i) levels[i] = level(values[i] - minimum, scale, 0, top);
  put_32(block, bits == 5 ? 8 : 4, bits == 5, levels);
}

void q8_0_block(Floats values, Bytes block) {
  const float scale = put_half(block, 0, largest_magnitude(values) / 127.0f);
  for (size_t i = 0; i < 32; ++i) {
    block[2 + i] = static_cast<uint8_t>(level(values[i], scale, -127, 127));
  }
}

void iq4_nl_block(Floats values, Bytes block) {
  constexpr std::array<float, 16> kLevels = {-127, -104, -83, -65, -49, -35, -22, -10,
                                             1,    13,   25,  38,  53,  69,  89,  113};
  const float scale = put_half(block, 0, largest_magnitude(values) / 113.0f);
  std::array<int, 32> levels = {};
  for (size_t i = 0; i < 32; ++i) {
    const auto farther = [&](float a, float b) {
      return std::fabs(a * scale - values[i]) < std::fabs(b * scale - values[i]);
    };
    levels[i] = static_cast<int>(std::min_element(kLevels.begin(), kLevels.end(), farther) -
                                 kLevels.begin());
  }
  put_32(block, 2, false, levels);
}

// A block of 256 cut into groups with integer scales (and minimums).
struct SuperBlock {
  std::array<int, 16> scales = {};
  std::array<int, 16> minimums = {};
  std::array<int, 256> levels = {};
};

// Groups of `size`; x = scale s q - minimum m with s and m up to `top_scale`, q up
// to `top`. The two fp16 factors are written at `at` and `at` + 2.
SuperBlock with_minimums(Floats values, size_t size, int top_scale, int top, Bytes block,
                         size_t at) {
  std::array<float, 16> steps = {};
  std::array<float, 16> depths = {};
  const size_t groups = 256 / size;
  for (size_t g = 0; g < groups; ++g) {
    const auto [low, high] =
        std::minmax_element(values.begin() + static_cast<long>(g * size),
                            values.begin() + static_cast<long>(g * size + size));
    depths[g] = std::max(0.0f, -*low);
    steps[g] = std::max(0.0f, *high + depths[g]) / static_cast<float>(top);
  }
  const auto top_value = static_cast<float>(top_scale);
  const float scale =
      put_half(block, at, *std::max_element(steps.begin(), steps.end()) / top_value);
  const float minimum =
      put_half(block, at + 2, *std::max_element(depths.begin(), depths.end()) / top_value);
  SuperBlock super;
  for (size_t g = 0; g < groups; ++g) {
    super.scales[g] = level(steps[g], scale, 0, top_scale);
    super.minimums[g] = level(depths[g], minimum, 0, top_scale);
  }
  for (size_t i = 0; i < 256; ++i) {
    const size_t g = i / size;
    super.levels[i] = level(values[i] + minimum * static_cast<float>(super.minimums[g]),
                            scale * static_cast<float>(super.scales[g]), 0, top);
  }
  return super;
}

// Groups of 16; x = scale s q, q from -bottom to bottom - 1, s up to `top_scale`.
SuperBlock without_minimums(Floats values, int top_scale, int bottom, Bytes block, size_t at) {
  std::array<float, 16> steps = {};
  for (size_t g = 0; g < 16; ++g) {
    steps[g] = largest_magnitude(values.subspan(g * 16, 16)) / static_cast<float>(bottom - 1);
  }
  const float scale = put_half(
      block, at, *std::max_element(steps.begin(), steps.end()) / static_cast<float>(top_scale));
  SuperBlock super;
  for (size_t g = 0; g < 16; ++g) super.scales[g] = level(steps[g], scale, 0, top_scale);
  for (size_t i = 0; i < 256; ++i) {
    super.levels[i] =
        level(values[i], scale * static_cast<float>(super.scales[i / 16]), -bottom, bottom - 1);
  }
  return super;
}

// Two bits per level, four levels 32 apart in a byte.
void put_pairs(const SuperBlock& super, Bytes block, size_t at, int offset, int shift) {
  for (size_t i = 0; i < 256; ++i) {
    const int pair = ((super.levels[i] + offset) >> shift) & 3;
    set_bits(block[at + i / 128 * 32 + i % 32], pair, static_cast<int>(i % 128 / 32 * 2));
  }
}

void q2_k_block(Floats values, Bytes block) {
  const SuperBlock super = with_minimums(values, 16, 15, 3, block, 80);
  for (size_t g = 0; g < 16; ++g) {
    block[g] = static_cast<uint8_t>(super.scales[g] | super.minimums[g] << 4);
  }
  put_pairs(super, block, 16, 0, 0);
}

void q3_k_block(Floats values, Bytes block) {
  const SuperBlock super = without_minimums(values, 31, 4, block, 108);
  for (size_t g = 0; g < 16; ++g) {
    const int stored = super.scales[g] + 32;
    set_bits(block[96 + g % 8], stored & 15, g < 8 ? 0 : 4);
    set_bits(block[104 + g % 4], stored >> 4, static_cast<int>(g / 4 * 2));
  }
  put_pairs(super, block, 32, 4, 0);
  for (size_t i = 0; i < 256; ++i) {
    set_bits(block[i % 32], (super.levels[i] + 4) >> 2, static_cast<int>(i / 32));
  }
}

// Q4_K and Q5_K: nibbles at `nibbles`, for 5 bits the fifth ones 32 bytes before.
void q45_k_block(Floats values, int bits, Bytes block) {
  const SuperBlock super = with_minimums(values, 32, 63, (1 << bits) - 1, block, 0);
  for (size_t g = 0; g < 4; ++g) {
    block[4 + g] = static_cast<uint8_t>(super.scales[g] | super.scales[g + 4] >> 4 << 6);
    block[8 + g] = static_cast<uint8_t>(super.minimums[g] | super.minimums[g + 4] >> 4 << 6);
    block[12 + g] =
        static_cast<uint8_t>((super.scales[g + 4] & 15) | (super.minimums[g + 4] & 15) << 4);
  }
  const size_t nibbles = bits == 5 ? 48 : 16;
  for (size_t i = 0; i < 256; ++i) {
    set_bits(block[nibbles + i / 64 * 32 + i % 32], super.levels[i] & 15, i % 64 < 32 ? 0 : 4);
    if (bits == 5) set_bits(block[16 + i % 32], super.levels[i] >> 4, static_cast<int>(i / 32));
  }
}

void q6_k_block(Floats values, Bytes block) {
  const SuperBlock super = without_minimums(values, 127, 32, block, 208);
  for (size_t g = 0; g < 16; ++g) block[192 + g] = static_cast<uint8_t>(super.scales[g]);
  for (size_t i = 0; i < 256; ++i) {
    const int stored = super.levels[i] + 32;
    set_bits(block[i / 128 * 64 + i % 64], stored & 15, i % 128 < 64 ? 0 : 4);
  }
  put_pairs(super, block, 128, 32, 4);
}

void quantize_block(DType type, Floats values, Bytes block) {
  switch (type) {
    case DType::f32:
    case DType::f16:
    case DType::bf16:
      return float_block(type, values[0], block);
    case DType::q4_0:
      return centered_block(values, 4, block);
    case DType::q5_0:
      return centered_block(values, 5, block);
    case DType::q4_1:
      return minimum_block(values, 4, block);
    case DType::q5_1:
      return minimum_block(values, 5, block);
    case DType::q8_0:
      return q8_0_block(values, block);
    case DType::iq4_nl:
      return iq4_nl_block(values, block);
    case DType::q2_k:
      return q2_k_block(values, block);
    case DType::q3_k:
      return q3_k_block(values, block);
    case DType::q4_k:
      return q45_k_block(values, 4, block);
    case DType::q5_k:
      return q45_k_block(values, 5, block);
    case DType::q6_k:
      return q6_k_block(values, block);
    case DType::i8:
      break;
  }
}

}  // namespace

std::vector<uint8_t> quantize_row(DType type, std::span<const float> values) {
  const DTypeInfo& info = dtype_info(type);
  std::vector<uint8_t> blocks(row_bytes(type, values.size()));
  for (size_t i = 0; i * info.block_elements < values.size(); ++i) {
    quantize_block(type, values.subspan(i * info.block_elements, info.block_elements),
                   Bytes(blocks).subspan(i * info.block_bytes, info.block_bytes));
  }
  return blocks;
}

}  // namespace pith
