// Attention over KV blocks in floats.
#pragma once

#include "kernels/avx512/vector.h"

namespace pith {
namespace {

PITH_INLINE __m512 load_cache(const float* p) { return _mm512_loadu_ps(p); }
PITH_INLINE __m512 load_cache(const uint16_t* p) { return load_half16(p); }
PITH_INLINE __m512 load_cache(const int8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load128(p)));
}
PITH_INLINE __m512 load_cache(const float* p, __mmask16 mask) {
  return _mm512_maskz_loadu_ps(mask, p);
}
PITH_INLINE __m512 load_cache(const uint16_t* p, __mmask16 mask) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, p));
}
PITH_INLINE __m512 load_cache(const int8_t* p, __mmask16 mask) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, p)));
}

// The first or the second of 16 pairs of 16 bits.
PITH_INLINE __m512 load_pairs(const int16_t* p, bool second, __mmask16 mask = 0xffff) {
  const __m512i pairs = _mm512_maskz_loadu_epi32(mask, p);
  const __m512i high = second ? pairs : _mm512_slli_epi32(pairs, 16);
  return _mm512_cvtepi32_ps(_mm512_srai_epi32(high, 16));
}

// Channel d of 16 positions from j on.
template <class Element>
PITH_INLINE __m512 load_keys(const Element* keys, size_t d, size_t j) {
  return load_cache(keys + d * kKvBlock + j);
}
PITH_INLINE __m512 load_keys(const int16_t* keys, size_t d, size_t j) {
  return load_pairs(keys + paired_key_at(d / 2 * 2, j), d % 2 != 0);
}
// Up to 16 channels from d on of position j.
template <class Element>
PITH_INLINE __m512 load_values(const Element* values, size_t j, size_t d, size_t size) {
  const Element* p = values + j * size + d;
  return size - d < 16 ? load_cache(p, first(size - d)) : load_cache(p);
}
PITH_INLINE __m512 load_values(const int16_t* values, size_t j, size_t d, size_t size) {
  const __mmask16 mask = size - d < 16 ? first(size - d) : static_cast<__mmask16>(0xffff);
  return load_pairs(values + paired_value_at(j / 2 * 2, d, size), j % 2 != 0, mask);
}

// Keys [D, 64] to floats, scaled per position.
template <class Element>
void widen_keys(const KvBlock& block, size_t size, size_t positions, float* out) {
  const auto* keys = static_cast<const Element*>(block.keys);
  for (size_t j = 0; j < positions; j += 16) {
    const __m512 scale =
        block.key_scales ? _mm512_loadu_ps(block.key_scales + j) : _mm512_set1_ps(1);
    for (size_t d = 0; d < size; ++d) {
      const __m512 v = load_keys(keys, d, j);
      _mm512_storeu_ps(out + d * kKvBlock + j, block.key_scales ? _mm512_mul_ps(v, scale) : v);
    }
  }
}

// Values [64, D] to floats [64, stride], scaled per position.
template <class Element>
void widen_values(const KvBlock& block, size_t size, size_t positions, size_t stride, float* out) {
  const auto* values = static_cast<const Element*>(block.values);
  for (size_t j = 0; j < positions; ++j) {
    const __m512 scale = _mm512_set1_ps(block.value_scales ? block.value_scales[j] : 1.0f);
    for (size_t d = 0; d < size; d += 16) {
      const __m512 v = load_values(values, j, d, size);
      _mm512_storeu_ps(out + j * stride + d, block.value_scales ? _mm512_mul_ps(v, scale) : v);
    }
  }
}

// c[m, 0..16 Vectors) (+)= sum over k of a[m, k] * b[k, .] for Rows rows; k ascending.
template <int Rows, int Vectors>
PITH_INLINE void product(const float* a, size_t a_stride, const float* b, size_t b_stride,
                         size_t depth, float* c, size_t c_stride, bool accumulate, __mmask16 last) {
  __m512 acc[Rows][Vectors];
  for (int m = 0; m < Rows; ++m) {
    for (int v = 0; v < Vectors; ++v) {
      acc[m][v] = accumulate ? _mm512_maskz_loadu_ps(v == Vectors - 1 ? last : 0xffff,
                                                     c + m * c_stride + 16 * v)
                             : _mm512_setzero_ps();
    }
  }
  for (size_t k = 0; k < depth; ++k) {
    __m512 row[Vectors];
    for (int v = 0; v < Vectors; ++v) row[v] = _mm512_loadu_ps(b + k * b_stride + 16 * v);
    for (int m = 0; m < Rows; ++m) {
      const __m512 x = _mm512_set1_ps(a[m * a_stride + k]);
      for (int v = 0; v < Vectors; ++v) acc[m][v] = _mm512_fmadd_ps(x, row[v], acc[m][v]);
    }
  }
  for (int m = 0; m < Rows; ++m) {
    for (int v = 0; v < Vectors; ++v) {
      _mm512_mask_storeu_ps(c + m * c_stride + 16 * v, v == Vectors - 1 ? last : 0xffff, acc[m][v]);
    }
  }
}

template <int Vectors>
void product_rows(size_t rows, const float* a, size_t a_stride, const float* b, size_t b_stride,
                  size_t depth, float* c, size_t c_stride, bool accumulate, __mmask16 last) {
  size_t m = 0;
  for (; m + 6 <= rows; m += 6) {  // 6 x 4 sums, 4 loads, 1 broadcast: 29 of 32 registers
    product<6, Vectors>(a + m * a_stride, a_stride, b, b_stride, depth, c + m * c_stride, c_stride,
                        accumulate, last);
  }
  for (; m + 3 <= rows; m += 3) {
    product<3, Vectors>(a + m * a_stride, a_stride, b, b_stride, depth, c + m * c_stride, c_stride,
                        accumulate, last);
  }
  for (; m < rows; ++m) {
    product<1, Vectors>(a + m * a_stride, a_stride, b, b_stride, depth, c + m * c_stride, c_stride,
                        accumulate, last);
  }
}

// c [rows, columns] (+)= a [rows, depth] x b [depth, columns]; b has whole vectors.
void product_all(size_t rows, size_t columns, const float* a, size_t a_stride, const float* b,
                 size_t b_stride, size_t depth, float* c, size_t c_stride, bool accumulate) {
  for (size_t n = 0; n < columns; n += 64) {
    const size_t left = columns - n < 64 ? columns - n : 64;
    const __mmask16 last = left % 16 ? first(left % 16) : static_cast<__mmask16>(0xffff);
    const float* bn = b + n;
    float* cn = c + n;
    switch ((left + 15) / 16) {
      case 1:
        product_rows<1>(rows, a, a_stride, bn, b_stride, depth, cn, c_stride, accumulate, last);
        break;
      case 2:
        product_rows<2>(rows, a, a_stride, bn, b_stride, depth, cn, c_stride, accumulate, last);
        break;
      case 3:
        product_rows<3>(rows, a, a_stride, bn, b_stride, depth, cn, c_stride, accumulate, last);
        break;
      default:
        product_rows<4>(rows, a, a_stride, bn, b_stride, depth, cn, c_stride, accumulate, last);
        break;
    }
  }
}

// Turns the scores of one query into weights and rescales its state.
PITH_INLINE void softmax_update(float* scores, size_t visible, float* max, float* sum, float* out,
                                size_t head_size) {
  __m512 v[4];
  __m512 largest = _mm512_set1_ps(*max);
  for (size_t i = 0; i < 4; ++i) {
    const size_t at = 16 * i;
    const __mmask16 mask = visible >= at + 16 ? 0xffff : visible > at ? first(visible - at) : 0;
    v[i] = _mm512_mask_loadu_ps(_mm512_set1_ps(-__builtin_inff()), mask, scores + at);
    largest = _mm512_max_ps(largest, v[i]);
  }
  const float new_max = _mm512_reduce_max_ps(largest);
  const __m512 shift = _mm512_set1_ps(new_max);
  __m512 total = _mm512_setzero_ps();
  for (int i = 0; i < 4; ++i) {
    v[i] = exp_ps(_mm512_sub_ps(v[i], shift));
    total = _mm512_add_ps(total, v[i]);
    _mm512_storeu_ps(scores + 16 * i, v[i]);
  }
  const __m512 correction = exp_ps(_mm512_set1_ps(*max - new_max));
  if (new_max != *max) {
    for (size_t d = 0; d < head_size; d += 16) {
      const __mmask16 mask =
          head_size - d < 16 ? first(head_size - d) : static_cast<__mmask16>(0xffff);
      const __m512 o = _mm512_maskz_loadu_ps(mask, out + d);
      _mm512_mask_storeu_ps(out + d, mask, _mm512_mul_ps(o, correction));
    }
  }
  *sum = *sum * _mm512_cvtss_f32(correction) + _mm512_reduce_add_ps(total);
  *max = new_max;
}

template <class Element>
void attend_float_block(const AttendArgs& args, size_t b) {
  const KvBlock& block = args.blocks[b];
  const size_t size = args.head_size;
  const size_t stride = (size + 15) / 16 * 16;
  float* keys = args.scratch;
  float* values = keys + stride * kKvBlock;
  float* scores = values + stride * kKvBlock;
  const auto seen = static_cast<size_t>(args.most_seen(b));  // the others may hold anything
  const size_t positions = (seen + 15) / 16 * 16;
  widen_keys<Element>(block, size, positions, keys);
  widen_values<Element>(block, size, seen, stride, values);
  product_all(args.queries, positions, args.q, size, keys, kKvBlock, size, scores, kKvBlock, false);
  for (size_t m = 0; m < args.queries; ++m) {
    float* row = scores + m * kKvBlock;
    const auto visible = static_cast<size_t>(args.seen(b, m));
    if (visible == 0) {
      for (size_t j = 0; j < positions; j += 16) _mm512_storeu_ps(row + j, _mm512_setzero_ps());
      continue;
    }
    softmax_update(row, visible, args.max + m, args.sum + m, args.out + m * size, size);
  }
  product_all(args.queries, size, scores, kKvBlock, values, stride, seen, args.out, size, true);
}

template <class Element>
void attend_float(const AttendArgs& args) {
  for (size_t b = 0; b < args.block_count; ++b) attend_float_block<Element>(args, b);
}

}  // namespace
}  // namespace pith
