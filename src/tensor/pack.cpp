#include "tensor/pack.h"

#include <cstring>

#include "base/error.h"
#include "tensor/half.h"

namespace pith {
namespace {

uint16_t load_u16(const uint8_t* p) {
  uint16_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

void store_u16(uint8_t* p, uint16_t value) { std::memcpy(p, &value, sizeof value); }

// One output's share of a super block, unpacked: 256 stored weights with the
// offset in, integer scales and minimums of its groups, two fp16 factors.
struct SuperBlock {
  uint8_t q[kSuperInputs];
  uint8_t scales[16];
  uint8_t minimums[16];
  uint16_t d;
  uint16_t d_min;
};

// The 6-bit scales and minimums of Q4_K and Q5_K: 12 bytes for 8 groups.
void unpack_k_scales(const uint8_t* packed, SuperBlock& block) {
  for (int j = 0; j < 4; ++j) {
    block.scales[j] = packed[j] & 63;
    block.minimums[j] = packed[j + 4] & 63;
    block.scales[j + 4] = static_cast<uint8_t>((packed[j + 8] & 15) | (packed[j] >> 6) << 4);
    block.minimums[j + 4] = static_cast<uint8_t>((packed[j + 8] >> 4) | (packed[j + 4] >> 6) << 4);
  }
}

// Q2_K: scales and minimums in nibbles [16], 2 bits [64], d, d_min.
void unpack_q2_k(const uint8_t* p, SuperBlock& block) {
  for (int g = 0; g < 16; ++g) {
    block.scales[g] = p[g] & 15;
    block.minimums[g] = p[g] >> 4;
  }
  const uint8_t* qs = p + 16;
  for (int i = 0; i < kSuperInputs; ++i) {
    block.q[i] = (qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
  }
  block.d = load_u16(p + 80);
  block.d_min = load_u16(p + 82);
}

// Q3_K: high bits [32], 2 bits [64], 6-bit scales [12], d. Weights are -4..3 and
// scales -32..31: stored as a 6-bit weight with offset 32 and a signed scale.
void unpack_q3_k(const uint8_t* p, SuperBlock& block) {
  const uint8_t* high = p;
  const uint8_t* qs = p + 32;
  const uint8_t* packed = p + 96;
  for (int g = 0; g < 16; ++g) {
    const int low4 = g < 8 ? packed[g] & 15 : packed[g - 8] >> 4;
    const int high2 = (packed[8 + g % 4] >> (g / 4 * 2)) & 3;
    block.scales[g] = static_cast<uint8_t>((low4 | high2 << 4) - 32);
    block.minimums[g] = 0;
  }
  for (int i = 0; i < kSuperInputs; ++i) {
    const int low = (qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    const int bit = (high[i % 32] >> (i / 32)) & 1;
    block.q[i] = static_cast<uint8_t>(low + 4 * bit - 4 + 32);
  }
  block.d = load_u16(p + 108);
  block.d_min = 0;
}

// Nibbles as Q4_K and Q5_K have them: each 32 bytes hold two groups of 32.
void unpack_nibbles(const uint8_t* qs, SuperBlock& block) {
  for (int pair = 0; pair < 4; ++pair) {
    for (int i = 0; i < 32; ++i) {
      block.q[pair * 64 + i] = qs[pair * 32 + i] & 15;
      block.q[pair * 64 + 32 + i] = qs[pair * 32 + i] >> 4;
    }
  }
}

// Q4_K: d, d_min, scales [12], nibbles [128].
void unpack_q4_k(const uint8_t* p, SuperBlock& block) {
  block.d = load_u16(p);
  block.d_min = load_u16(p + 2);
  unpack_k_scales(p + 4, block);
  const uint8_t* qs = p + 16;
  unpack_nibbles(qs, block);
}

// Q5_K: as Q4_K with the fifth bits [32] before the nibbles, one bit a group.
void unpack_q5_k(const uint8_t* p, SuperBlock& block) {
  block.d = load_u16(p);
  block.d_min = load_u16(p + 2);
  unpack_k_scales(p + 4, block);
  const uint8_t* high = p + 16;
  const uint8_t* qs = p + 48;
  unpack_nibbles(qs, block);
  for (int g = 0; g < 8; ++g) {
    for (int i = 0; i < 32; ++i) {
      block.q[g * 32 + i] |= static_cast<uint8_t>((high[i] >> g & 1) << 4);
    }
  }
}

// Q6_K: low nibbles [128], high bits [64], signed scales [16], d.
void unpack_q6_k(const uint8_t* p, SuperBlock& block) {
  for (int half = 0; half < 2; ++half) {
    const uint8_t* low = p + half * 64;
    const uint8_t* high = p + 128 + half * 32;
    uint8_t* q = block.q + half * 128;
    for (int i = 0; i < 32; ++i) {
      q[i] = static_cast<uint8_t>((low[i] & 15) | (high[i] & 3) << 4);
      q[i + 32] = static_cast<uint8_t>((low[i + 32] & 15) | (high[i] >> 2 & 3) << 4);
      q[i + 64] = static_cast<uint8_t>(low[i] >> 4 | (high[i] >> 4 & 3) << 4);
      q[i + 96] = static_cast<uint8_t>(low[i + 32] >> 4 | (high[i] >> 6) << 4);
    }
  }
  std::memcpy(block.scales, p + 192, 16);
  std::memset(block.minimums, 0, 16);
  block.d = load_u16(p + 208);
  block.d_min = 0;
}

void unpack_super(DType type, const uint8_t* p, SuperBlock& block) {
  switch (type) {
    case DType::q2_k:
      return unpack_q2_k(p, block);
    case DType::q3_k:
      return unpack_q3_k(p, block);
    case DType::q4_k:
      return unpack_q4_k(p, block);
    case DType::q5_k:
      return unpack_q5_k(p, block);
    case DType::q6_k:
      return unpack_q6_k(p, block);
    default:
      PITH_CHECK(false);
  }
}

// One output's share of a block of 32, unpacked, with fp16 scale and minimum.
struct SimpleBlock {
  uint8_t q[kBlockInputs];
  uint16_t scale;
  uint16_t minimum;
};

constexpr int8_t kIq4NlValues[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};

// Bit i of `high` becomes the fifth bit of q[i]. Eight at a time: a multiplication
// copies a byte to all eight, a mask leaves bit k in byte k, an addition of 127
// carries any bit that is left into the byte's top.
void spread_high_bits(uint32_t high, uint8_t* q) {
  for (int byte = 0; byte < 4; ++byte) {
    const uint64_t copies = (high >> (8 * byte) & 0xff) * 0x0101010101010101u;
    const uint64_t bits = ((copies & 0x8040201008040201u) + 0x7f7f7f7f7f7f7f7fu) >> 7;
    uint64_t eight;
    std::memcpy(&eight, q + 8 * byte, sizeof eight);
    eight |= (bits & 0x0101010101010101u) << 4;
    std::memcpy(q + 8 * byte, &eight, sizeof eight);
  }
}

void unpack_simple(DType type, const uint8_t* p, SimpleBlock& block) {
  block.scale = load_u16(p);
  block.minimum = 0;
  p += 2;
  if (type == DType::q4_1 || type == DType::q5_1) {
    block.minimum = load_u16(p);
    p += 2;
  }
  if (type == DType::q8_0) {
    for (int i = 0; i < kBlockInputs; ++i) block.q[i] = static_cast<uint8_t>(p[i] + 128);
    return;
  }
  uint32_t high = 0;
  if (type == DType::q5_0 || type == DType::q5_1) {
    std::memcpy(&high, p, sizeof high);
    p += 4;
  }
  for (int i = 0; i < 16; ++i) {
    block.q[i] = p[i] & 15;
    block.q[i + 16] = p[i] >> 4;
  }
  if (type == DType::iq4_nl) {
    for (uint8_t& q : block.q) q = static_cast<uint8_t>(kIq4NlValues[q] + 128);
  }
  if (high != 0) spread_high_bits(high, block.q);
}

uint32_t load_u32(const uint8_t* p) {
  uint32_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

void store_u32(uint8_t* p, uint32_t value) { std::memcpy(p, &value, sizeof value); }

// Puts one output's 32 stored weights into the planes of a block, four inputs, one
// 32-bit word, at a time: word v of the weights belongs to vector v.
void put_block(int bits, const uint8_t* q, size_t output, uint8_t* planes) {
  uint32_t words[8];
  for (size_t v = 0; v < 8; ++v) words[v] = load_u32(q + 4 * v);
  uint8_t* at = planes + output * 4;
  if (bits == 8) {
    for (size_t v = 0; v < 8; ++v) store_u32(at + 64 * v, words[v]);
    return;
  }
  if (bits >= 4) {  // nibbles: vectors 0 to 3 low, 4 to 7 high
    constexpr uint32_t nibble = 0x0f0f0f0f;
    for (size_t v = 0; v < 4; ++v) {
      store_u32(at + 64 * v, (words[v] & nibble) | (words[v + 4] & nibble) << 4);
    }
    for (uint32_t& word : words) word = word >> 4 & nibble;
    at += 256;
  }
  if (bits == 5) {  // bit v of the plane belongs to vector v
    uint32_t plane = 0;
    for (size_t v = 0; v < 8; ++v) plane |= (words[v] & 0x01010101) << v;
    store_u32(at, plane);
  }
  if (bits == 6 || bits == 2) {  // vectors 0 to 3 in the first plane, 4 to 7 in the second
    for (size_t half = 0; half < 2; ++half) {
      uint32_t plane = 0;
      for (size_t v = 0; v < 4; ++v) plane |= (words[4 * half + v] & 0x03030303) << 2 * v;
      store_u32(at + 64 * half, plane);
    }
  }
}

void pack_super_tile(DType type, PackedFormat format, const uint8_t* rows, size_t first,
                     size_t count, size_t inputs, uint8_t* out) {
  const PackedFormatInfo info = packed_info(format);
  const int groups = kSuperInputs / info.group;
  const size_t stride = row_bytes(type, inputs);
  const size_t source_bytes = dtype_info(type).block_bytes;
  SuperBlock block;
  for (size_t super = 0; super < inputs / kSuperInputs; ++super, out += super_bytes(format)) {
    uint8_t* scales = out + 64;
    uint8_t* minimums = scales + groups * kTileOutputs;
    uint8_t* weights = out + super_header_bytes(format);
    for (size_t o = 0; o < count; ++o) {
      unpack_super(type, rows + (first + o) * stride + super * source_bytes, block);
      store_u16(out + 2 * o, block.d);
      store_u16(out + 32 + 2 * o, block.d_min);
      for (int g = 0; g < groups; ++g) {
        scales[static_cast<size_t>(g) * kTileOutputs + o] = block.scales[g];
        if (info.has_min) {
          minimums[(static_cast<size_t>(g / 2) * kTileOutputs + o) * 2 + g % 2] = block.minimums[g];
        }
      }
      for (int b = 0; b < kSuperInputs / kBlockInputs; ++b) {
        put_block(info.bits, block.q + b * kBlockInputs, o,
                  weights + static_cast<size_t>(b) * block_bytes(format));
      }
    }
  }
}

void pack_simple_tile(DType type, PackedFormat format, const uint8_t* rows, size_t first,
                      size_t count, size_t inputs, uint8_t* out) {
  const PackedFormatInfo info = packed_info(format);
  const size_t stride = row_bytes(type, inputs);
  const size_t source_bytes = dtype_info(type).block_bytes;
  uint8_t* minimums = out + simple_column_bytes(inputs);
  uint8_t* weights = out + simple_header_bytes(format, inputs);
  SimpleBlock block;
  for (size_t b = 0; b < inputs / kBlockInputs; ++b) {
    for (size_t o = 0; o < count; ++o) {
      unpack_simple(type, rows + (first + o) * stride + b * source_bytes, block);
      store_u16(out + (b * kTileOutputs + o) * 2, block.scale);
      if (info.has_min) store_u16(minimums + (b * kTileOutputs + o) * 2, block.minimum);
      put_block(info.bits, block.q, o, weights + b * block_bytes(format));
    }
  }
}

void pack_float_tile(DType type, const uint8_t* rows, size_t first, size_t count, size_t inputs,
                     uint8_t* out) {
  const size_t element = dtype_info(type).block_bytes;
  for (size_t o = 0; o < count; ++o) {
    const uint8_t* row = rows + (first + o) * row_bytes(type, inputs);
    for (size_t i = 0; i < inputs; ++i) {
      std::memcpy(out + (i * kTileOutputs + o) * element, row + i * element, element);
    }
  }
}

}  // namespace

PackedFormat packed_format_of(DType type) {
  switch (type) {
    case DType::f32:
      return PackedFormat::f32;
    case DType::f16:
      return PackedFormat::f16;
    case DType::bf16:
      return PackedFormat::bf16;
    case DType::q4_0:
      return PackedFormat::s4;
    case DType::q4_1:
      return PackedFormat::s4m;
    case DType::q5_0:
      return PackedFormat::s5;
    case DType::q5_1:
      return PackedFormat::s5m;
    case DType::q8_0:
    case DType::iq4_nl:
      return PackedFormat::s8;
    case DType::q2_k:
      return PackedFormat::k2m;
    case DType::q3_k:
    case DType::q6_k:
      return PackedFormat::k6;
    case DType::q4_k:
      return PackedFormat::k4m;
    case DType::q5_k:
      return PackedFormat::k5m;
    case DType::i8:
      break;
  }
  PITH_CHECK(false);
}

void pack_tile(DType type, const uint8_t* rows, size_t outputs, size_t inputs, size_t tile,
               uint8_t* out) {
  const PackedFormat format = packed_format_of(type);
  const size_t first = tile * kTileOutputs;
  PITH_CHECK(first < outputs);
  const size_t count = outputs - first < kTileOutputs ? outputs - first : kTileOutputs;
  std::memset(out, 0, tile_bytes(format, inputs));
  if (is_super(format)) return pack_super_tile(type, format, rows, first, count, inputs, out);
  if (is_float(format)) return pack_float_tile(type, rows, first, count, inputs, out);
  pack_simple_tile(type, format, rows, first, count, inputs, out);
}

}  // namespace pith
