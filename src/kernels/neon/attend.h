// Attention over KV blocks.
#pragma once

#include "kernels/neon/vector.h"

namespace pith {
namespace {

PITH_INLINE float32x4_t load_cache(const float* p) { return vld1q_f32(p); }
PITH_INLINE float32x4_t load_cache(const uint16_t* p) { return load_half4(p); }
PITH_INLINE float32x4_t load_cache(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  const int16x8_t words = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)));
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(words)));
}
template <class Element>
PITH_INLINE float32x4_t load_cache_first(const Element* p, size_t n) {
  if (n >= 4) return load_cache(p);
  Element padded[4] = {};
  __builtin_memcpy(padded, p, n * sizeof *p);
  return load_cache(padded);
}

// The first or the second of four pairs of 16 bits.
PITH_INLINE float32x4_t load_pairs(const int16_t* p, bool second, size_t n = 4) {
  int16_t padded[8] = {};
  if (n < 4) {
    __builtin_memcpy(padded, p, n * 2 * sizeof *p);
    p = padded;
  }
  const int16x4x2_t pairs = vld2_s16(p);
  return vcvtq_f32_s32(vmovl_s16(second ? pairs.val[1] : pairs.val[0]));
}

// Channel d of four positions from j on.
template <class Element>
PITH_INLINE float32x4_t load_keys(const Element* keys, size_t d, size_t j) {
  return load_cache(keys + d * kKvBlock + j);
}
PITH_INLINE float32x4_t load_keys(const int16_t* keys, size_t d, size_t j) {
  return load_pairs(keys + paired_key_at(d / 2 * 2, j), d % 2 != 0);
}
// Up to four channels from d on of position j.
template <class Element>
PITH_INLINE float32x4_t load_values(const Element* values, size_t j, size_t d, size_t size) {
  return load_cache_first(values + j * size + d, size - d);
}
PITH_INLINE float32x4_t load_values(const int16_t* values, size_t j, size_t d, size_t size) {
  return load_pairs(values + paired_value_at(j / 2 * 2, d, size), j % 2 != 0, size - d);
}

// Keys [D, 64] to floats, scaled per position; `positions` in whole vectors.
template <class Element>
void widen_keys(const KvBlock& block, size_t size, size_t positions, float* out) {
  const auto* keys = static_cast<const Element*>(block.keys);
  for (size_t d = 0; d < size; ++d) {
    for (size_t j = 0; j < positions; j += 4) {
      const float32x4_t v = load_keys(keys, d, j);
      vst1q_f32(out + d * kKvBlock + j,
                block.key_scales ? vmulq_f32(v, vld1q_f32(block.key_scales + j)) : v);
    }
  }
}

// Values [64, D] to floats [64, stride], scaled per position.
template <class Element>
void widen_values(const KvBlock& block, size_t size, size_t positions, size_t stride, float* out) {
  const auto* values = static_cast<const Element*>(block.values);
  for (size_t j = 0; j < positions; ++j) {
    for (size_t d = 0; d < size; d += 4) {
      const float32x4_t v = load_values(values, j, d, size);
      vst1q_f32(out + j * stride + d,
                block.value_scales ? vmulq_n_f32(v, block.value_scales[j]) : v);
    }
  }
}

// c [rows, columns] (+)= a [rows, depth] x b [depth, columns].
struct Product {
  const float* a;
  size_t a_stride;
  const float* b;  // whole vectors: columns rounded up to 4
  size_t b_stride;
  size_t depth;
  float* c;
  size_t c_stride;
  bool accumulate;
};

// Rows rows from `row` on, `columns` columns (at most 4 Vectors) from `column` on;
// k ascending for each.
template <int Rows, int Vectors>
PITH_INLINE void product_tile(const Product& p, size_t row, size_t column, size_t columns) {
  const float* a = p.a + row * p.a_stride;
  const float* b = p.b + column;
  float* c = p.c + row * p.c_stride + column;
  float32x4_t acc[Rows][Vectors];
  for (int m = 0; m < Rows; ++m) {
    for (int v = 0; v < Vectors; ++v) {
      acc[m][v] =
          p.accumulate ? load_first(c + m * p.c_stride + 4 * v, columns - 4 * v) : vdupq_n_f32(0);
    }
  }
  for (size_t k = 0; k < p.depth; ++k) {
    float32x4_t w[Vectors];
    for (int v = 0; v < Vectors; ++v) w[v] = vld1q_f32(b + k * p.b_stride + 4 * v);
#pragma GCC unroll 6
    for (int m = 0; m < Rows; ++m) {
      const float x = a[m * p.a_stride + k];
      for (int v = 0; v < Vectors; ++v) acc[m][v] = vfmaq_n_f32(acc[m][v], w[v], x);
    }
  }
  for (int m = 0; m < Rows; ++m) {
    for (int v = 0; v < Vectors; ++v) {
      store_first(c + m * p.c_stride + 4 * v, columns - 4 * v, acc[m][v]);
    }
  }
}

template <int Vectors>
void product_columns(const Product& p, size_t rows, size_t column, size_t columns) {
  size_t m = 0;
  for (; m + 6 <= rows; m += 6) {  // 6 x 4 sums, 4 loads, 1 activation: 29 of 32 registers
    product_tile<6, Vectors>(p, m, column, columns);
  }
  for (; m + 3 <= rows; m += 3) product_tile<3, Vectors>(p, m, column, columns);
  for (; m < rows; ++m) product_tile<1, Vectors>(p, m, column, columns);
}

void product_all(const Product& p, size_t rows, size_t columns) {
  for (size_t column = 0; column < columns; column += 16) {
    const size_t left = columns - column < 16 ? columns - column : 16;
    switch ((left + 3) / 4) {
      case 1:
        product_columns<1>(p, rows, column, left);
        break;
      case 2:
        product_columns<2>(p, rows, column, left);
        break;
      case 3:
        product_columns<3>(p, rows, column, left);
        break;
      default:
        product_columns<4>(p, rows, column, left);
        break;
    }
  }
}

// Turns the scores of one query into weights (0 where it sees nothing) and rescales
// its state. `positions` is a multiple of 4.
PITH_INLINE void softmax_update(float* scores, size_t visible, size_t positions, float* max,
                                float* sum, float* out, size_t head_size) {
  const float32x4_t hidden = vdupq_n_f32(-__builtin_inff());
  float32x4_t largest = vdupq_n_f32(*max);
  for (size_t j = 0; j < visible; j += 4) {
    const float32x4_t v = vbslq_f32(first_lanes(visible - j), vld1q_f32(scores + j), hidden);
    vst1q_f32(scores + j, v);
    largest = vmaxnmq_f32(largest, v);
  }
  const float new_max = vmaxnmvq_f32(largest);
  float32x4_t total = vdupq_n_f32(0);
  size_t j = 0;
  for (; j < visible; j += 4) {
    const float32x4_t v = exp_ps(vsubq_f32(vld1q_f32(scores + j), vdupq_n_f32(new_max)));
    total = vaddq_f32(total, v);
    vst1q_f32(scores + j, v);
  }
  for (; j < positions; j += 4) vst1q_f32(scores + j, vdupq_n_f32(0));
  const float correction = vgetq_lane_f32(exp_ps(vdupq_n_f32(*max - new_max)), 0);
  if (new_max != *max) {
    for (size_t d = 0; d < head_size; d += 4) {
      store_first(out + d, head_size - d,
                  vmulq_n_f32(load_first(out + d, head_size - d), correction));
    }
  }
  *sum = *sum * correction + sum_lanes(total);
  *max = new_max;
}

template <class Element>
void attend_block(const AttendArgs& args, size_t b) {
  const KvBlock& block = args.blocks[b];
  const size_t size = args.head_size;
  const size_t stride = (size + 15) / 16 * 16;
  float* keys = args.scratch;
  float* values = keys + stride * kKvBlock;
  float* scores = values + stride * kKvBlock;
  const auto seen = static_cast<size_t>(args.most_seen(b));  // the others may hold anything
  const size_t positions = (seen + 3) / 4 * 4;
  widen_keys<Element>(block, size, positions, keys);
  widen_values<Element>(block, size, seen, stride, values);
  product_all({args.q, size, keys, kKvBlock, size, scores, kKvBlock, false}, args.queries,
              positions);
  for (size_t m = 0; m < args.queries; ++m) {
    float* row = scores + m * kKvBlock;
    const auto visible = static_cast<size_t>(args.seen(b, m));
    if (visible == 0) {
      for (size_t j = 0; j < positions; j += 4) vst1q_f32(row + j, vdupq_n_f32(0));
      continue;
    }
    softmax_update(row, visible, positions, args.max + m, args.sum + m, args.out + m * size, size);
  }
  product_all({scores, kKvBlock, values, stride, seen, args.out, size, true}, args.queries, size);
}

template <class Element>
void attend(const AttendArgs& args) {
  for (size_t b = 0; b < args.block_count; ++b) attend_block<Element>(args, b);
}

}  // namespace
}  // namespace pith
