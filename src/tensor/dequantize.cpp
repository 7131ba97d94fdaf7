// One function per format turns one block into floats. A block is read byte by
// byte or by memcpy, so it may lie at any address. The order of the float
// operations is ggml's, so that results agree to the last bit.
#include <bit>
#include <cstring>

#include "base/error.h"
#include "tensor/dtype.h"
#include "tensor/half.h"

namespace pith {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF data is read as it lies");

template <class T>
T load(const uint8_t* source) {
  T value;
  std::memcpy(&value, source, sizeof(value));
  return value;
}

float load_half(const uint8_t* source) { return float_from_half(load<uint16_t>(source)); }

void f32_block(const uint8_t* block, float* out) { *out = load<float>(block); }
void f16_block(const uint8_t* block, float* out) { *out = load_half(block); }
void bf16_block(const uint8_t* block, float* out) { *out = float_from_bf16(load<uint16_t>(block)); }

// Formats of 32 elements. Byte j of the nibbles holds element j in its low half
// and element j + 16 in its high half.
constexpr int kHalfBlock = 16;

// scale f16 | 16 bytes of nibbles;  x = scale (q - 8)
void q4_0_block(const uint8_t* block, float* out) {
  const float scale = load_half(block);
  const uint8_t* nibbles = block + 2;
  for (int j = 0; j < kHalfBlock; ++j) {
    out[j] = static_cast<float>((nibbles[j] & 15) - 8) * scale;
    out[j + kHalfBlock] = static_cast<float>((nibbles[j] >> 4) - 8) * scale;
  }
}

// scale f16 | minimum f16 | 16 bytes of nibbles;  x = scale q + minimum
void q4_1_block(const uint8_t* block, float* out) {
  const float scale = load_half(block);
  const float minimum = load_half(block + 2);
  const uint8_t* nibbles = block + 4;
  for (int j = 0; j < kHalfBlock; ++j) {
    out[j] = static_cast<float>(nibbles[j] & 15) * scale + minimum;
    out[j + kHalfBlock] = static_cast<float>(nibbles[j] >> 4) * scale + minimum;
  }
}

// The fifth bits of 32 elements are the bits of one word; element j has bit j.
int fifth_bit(uint32_t word, int element) { return static_cast<int>((word >> element) & 1u) << 4; }

// scale f16 | fifth bits u32 | 16 bytes of nibbles;  x = scale (q - 16)
void q5_0_block(const uint8_t* block, float* out) {
  const float scale = load_half(block);
  const auto fifth = load<uint32_t>(block + 2);
  const uint8_t* nibbles = block + 6;
  for (int j = 0; j < kHalfBlock; ++j) {
    const int low = (nibbles[j] & 15) | fifth_bit(fifth, j);
    const int high = (nibbles[j] >> 4) | fifth_bit(fifth, j + kHalfBlock);
    out[j] = static_cast<float>(low - 16) * scale;
    out[j + kHalfBlock] = static_cast<float>(high - 16) * scale;
  }
}

// scale f16 | minimum f16 | fifth bits u32 | 16 bytes of nibbles;  x = scale q + minimum
void q5_1_block(const uint8_t* block, float* out) {
  const float scale = load_half(block);
  const float minimum = load_half(block + 2);
  const auto fifth = load<uint32_t>(block + 4);
  const uint8_t* nibbles = block + 8;
  for (int j = 0; j < kHalfBlock; ++j) {
    const int low = (nibbles[j] & 15) | fifth_bit(fifth, j);
    const int high = (nibbles[j] >> 4) | fifth_bit(fifth, j + kHalfBlock);
    out[j] = static_cast<float>(low) * scale + minimum;
    out[j + kHalfBlock] = static_cast<float>(high) * scale + minimum;
  }
}

// scale f16 | 32 x i8;  x = scale q
void q8_0_block(const uint8_t* block, float* out) {
  const float scale = load_half(block);
  for (int j = 0; j < 2 * kHalfBlock; ++j) {
    out[j] = static_cast<float>(static_cast<int8_t>(block[2 + j])) * scale;
  }
}

// scale f16 | 16 bytes of nibbles, each an index into a table of 16 levels
void iq4_nl_block(const uint8_t* block, float* out) {
  static constexpr int8_t kLevels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                         1,    13,   25,  38,  53,  69,  89,  113};
  const float scale = load_half(block);
  const uint8_t* nibbles = block + 2;
  for (int j = 0; j < kHalfBlock; ++j) {
    out[j] = scale * static_cast<float>(kLevels[nibbles[j] & 15]);
    out[j + kHalfBlock] = scale * static_cast<float>(kLevels[nibbles[j] >> 4]);
  }
}

// Formats of 256 elements, cut into groups that have scales of their own.

// 16 x (4 bits of scale, 4 of minimum) | 64 bytes of 2-bit q | scale f16 | minimum f16
// Groups of 16; x = scale s q - minimum m. Each 32 bytes of q hold 128 elements:
// byte l has, from its low bits up, elements l, l + 32, l + 64 and l + 96.
void q2_k_block(const uint8_t* block, float* out) {
  const uint8_t* packed_q = block + 16;
  const float scale = load_half(block + 80);
  const float minimum = load_half(block + 82);
  for (int i = 0; i < 256; ++i) {
    const uint8_t group = block[i / 16];
    const int q = (packed_q[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    const float group_scale = scale * static_cast<float>(group & 15);
    const float group_minimum = minimum * static_cast<float>(group >> 4);
    out[i] = group_scale * static_cast<float>(q) - group_minimum;
  }
}

// Scale `group` of the 16 signed 6-bit scales that Q3_K keeps in 12 bytes: the low
// four bits as nibbles of bytes 0 to 7, the high two as bit pairs of bytes 8 to 11.
int q3_k_scale(const uint8_t* packed, int group) {
  const int low = (packed[group % 8] >> (group / 8 * 4)) & 15;
  const int high = (packed[8 + group % 4] >> (group / 4 * 2)) & 3;
  return (low | high << 4) - 32;
}

// 32 bytes of third bits | 64 bytes of 2-bit q | 12 bytes of scales | scale f16
// Groups of 16; x = scale s q, q in [-4, 3]. The q lie as in Q2_K; bit k of third
// byte l belongs to element 32 k + l, and when it is not set 4 is taken away.
void q3_k_block(const uint8_t* block, float* out) {
  const uint8_t* packed_q = block + 32;
  const uint8_t* scales = block + 96;
  const float scale = load_half(block + 108);
  for (int i = 0; i < 256; ++i) {
    const int low = (packed_q[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    const int third = (block[i % 32] >> (i / 32)) & 1;
    const float group_scale = scale * static_cast<float>(q3_k_scale(scales, i / 16));
    out[i] = group_scale * static_cast<float>(low - 4 * (1 - third));
  }
}

struct ScaleAndMinimum {
  int scale;
  int minimum;
};

// The 6-bit scale and minimum of group `group` of 8, from the 12 bytes of Q4_K and
// Q5_K: groups 0 to 3 are the low six bits of bytes 0 to 3 and 4 to 7; groups 4 to
// 7 are the nibbles of bytes 8 to 11, with the two bits left over above them.
ScaleAndMinimum k_scale(const uint8_t* packed, int group) {
  if (group < 4) return {packed[group] & 63, packed[group + 4] & 63};
  return {(packed[group + 4] & 15) | (packed[group - 4] >> 6) << 4,
          (packed[group + 4] >> 4) | (packed[group] >> 6) << 4};
}

// scale f16 | minimum f16 | 12 bytes of scales | 128 bytes of nibbles
// Groups of 32; x = scale s q - minimum m. Each 32 bytes of nibbles hold two
// groups, the first in the low halves.
void q4_k_block(const uint8_t* block, float* out) {
  const float scale = load_half(block);
  const float minimum = load_half(block + 2);
  const uint8_t* nibbles = block + 16;
  for (int group = 0; group < 8; ++group) {
    const ScaleAndMinimum packed = k_scale(block + 4, group);
    const float group_scale = scale * static_cast<float>(packed.scale);
    const float group_minimum = minimum * static_cast<float>(packed.minimum);
    for (int j = 0; j < 32; ++j) {
      const int q = (nibbles[group / 2 * 32 + j] >> (group % 2 * 4)) & 15;
      out[group * 32 + j] = group_scale * static_cast<float>(q) - group_minimum;
    }
  }
}

// scale f16 | minimum f16 | 12 bytes of scales | 32 bytes of fifth bits | 128 of nibbles
// As Q4_K; bit g of fifth byte j belongs to element j of group g.
void q5_k_block(const uint8_t* block, float* out) {
  const float scale = load_half(block);
  const float minimum = load_half(block + 2);
  const uint8_t* fifth = block + 16;
  const uint8_t* nibbles = block + 48;
  for (int group = 0; group < 8; ++group) {
    const ScaleAndMinimum packed = k_scale(block + 4, group);
    const float group_scale = scale * static_cast<float>(packed.scale);
    const float group_minimum = minimum * static_cast<float>(packed.minimum);
    for (int j = 0; j < 32; ++j) {
      const int low = (nibbles[group / 2 * 32 + j] >> (group % 2 * 4)) & 15;
      const int q = low | fifth_bit(fifth[j], group);
      out[group * 32 + j] = group_scale * static_cast<float>(q) - group_minimum;
    }
  }
}

// 128 bytes of nibbles | 64 bytes of 2-bit tops | 16 x i8 scales | scale f16
// Groups of 16; x = scale s (q - 32). A half of 128 elements has 64 bytes of
// nibbles (elements 0 to 63 low, 64 to 127 high) and 32 bytes of tops, laid as
// the q of Q2_K.
void q6_k_block(const uint8_t* block, float* out) {
  const uint8_t* tops = block + 128;
  const uint8_t* scales = block + 192;
  const float scale = load_half(block + 208);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128;
    const int low = (block[half * 64 + i % 64] >> (i % 128 / 64 * 4)) & 15;
    const int top = (tops[half * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    const float group_scale = scale * static_cast<float>(static_cast<int8_t>(scales[i / 16]));
    out[i] = group_scale * static_cast<float>((low | top << 4) - 32);
  }
}

using BlockFunction = void (*)(const uint8_t* block, float* out);

BlockFunction block_function(DType type) {
  switch (type) {
    case DType::f32:
      return f32_block;
    case DType::f16:
      return f16_block;
    case DType::bf16:
      return bf16_block;
    case DType::q4_0:
      return q4_0_block;
    case DType::q4_1:
      return q4_1_block;
    case DType::q5_0:
      return q5_0_block;
    case DType::q5_1:
      return q5_1_block;
    case DType::q8_0:
      return q8_0_block;
    case DType::q2_k:
      return q2_k_block;
    case DType::q3_k:
      return q3_k_block;
    case DType::q4_k:
      return q4_k_block;
    case DType::q5_k:
      return q5_k_block;
    case DType::q6_k:
      return q6_k_block;
    case DType::iq4_nl:
      return iq4_nl_block;
    case DType::i8:
      break;
  }
  return nullptr;
}

}  // namespace

void dequantize_row(DType type, const void* source, float* out, size_t elements) {
  const DTypeInfo& info = dtype_info(type);
  const BlockFunction dequantize = block_function(type);
  PITH_CHECK(dequantize != nullptr && elements % info.block_elements == 0);
  const auto* block = static_cast<const uint8_t*>(source);
  for (size_t i = 0; i < elements; i += info.block_elements, block += info.block_bytes) {
    dequantize(block, out + i);
  }
}

}  // namespace pith
