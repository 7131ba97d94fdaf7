// Attention over KV blocks, in floats.
#pragma once

#include "kernels/avx2/vector.h"

namespace pith {
namespace {

PITH_INLINE __m256 load_cache(const float* p) { return _mm256_loadu_ps(p); }
PITH_INLINE __m256 load_cache(const uint16_t* p) { return load_half8(p); }
PITH_INLINE __m256 load_cache(const int8_t* p) {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
template <class Element>
PITH_INLINE __m256 load_cache_first(const Element* p, size_t n) {
  if (n >= 8) return load_cache(p);
  Element padded[8] = {};
  __builtin_memcpy(padded, p, n * sizeof *p);
  return load_cache(padded);
}

// The first or the second of eight pairs of 16 bits.
PITH_INLINE __m256 load_pairs(const int16_t* p, bool second, size_t n = 8) {
  int16_t padded[16] = {};
  if (n < 8) {
    __builtin_memcpy(padded, p, n * 2 * sizeof *p);
    p = padded;
  }
  const __m256i pairs = load(p);
  const __m256i high = second ? pairs : _mm256_slli_epi32(pairs, 16);
  return _mm256_cvtepi32_ps(_mm256_srai_epi32(high, 16));
}

// Channel d of eight positions from j on.
template <class Element>
PITH_INLINE __m256 load_keys(const Element* keys, size_t d, size_t j) {
  return load_cache(keys + d * kKvBlock + j);
}
PITH_INLINE __m256 load_keys(const int16_t* keys, size_t d, size_t j) {
  return load_pairs(keys + paired_key_at(d / 2 * 2, j), d % 2 != 0);
}
// Up to eight channels from d on of position j.
template <class Element>
PITH_INLINE __m256 load_values(const Element* values, size_t j, size_t d, size_t size) {
  return load_cache_first(values + j * size + d, size - d);
}
PITH_INLINE __m256 load_values(const int16_t* values, size_t j, size_t d, size_t size) {
  return load_pairs(values + paired_value_at(j / 2 * 2, d, size), j % 2 != 0, size - d);
}

// Keys [D, 64] to floats, scaled per position; `positions` in whole vectors.
template <class Element>
void widen_keys(const KvBlock& block, size_t size, size_t positions, float* out) {
  const auto* keys = static_cast<const Element*>(block.keys);
  for (size_t j = 0; j < positions; j += 8) {
    const __m256 scale =
        block.key_scales ? _mm256_loadu_ps(block.key_scales + j) : _mm256_set1_ps(1);
    for (size_t d = 0; d < size; ++d) {
      const __m256 v = load_keys(keys, d, j);
      _mm256_storeu_ps(out + d * kKvBlock + j, block.key_scales ? _mm256_mul_ps(v, scale) : v);
    }
  }
}

// Values [64, D] to floats [64, stride], scaled per position.
template <class Element>
void widen_values(const KvBlock& block, size_t size, size_t positions, size_t stride, float* out) {
  const auto* values = static_cast<const Element*>(block.values);
  for (size_t j = 0; j < positions; ++j) {
    const __m256 scale = _mm256_set1_ps(block.value_scales ? block.value_scales[j] : 1.0f);
    for (size_t d = 0; d < size; d += 8) {
      const __m256 v = load_values(values, j, d, size);
      _mm256_storeu_ps(out + j * stride + d, block.value_scales ? _mm256_mul_ps(v, scale) : v);
    }
  }
}

// c [rows, columns] (+)= a [rows, depth] x b [depth, columns].
struct Product {
  const float* a;
  size_t a_stride;
  const float* b;  // whole vectors: columns rounded up to 8
  size_t b_stride;
  size_t depth;
  float* c;
  size_t c_stride;
  bool accumulate;
};

// Rows rows from `row` on, `columns` columns (at most 8 Vectors) from `column` on;
// k ascending for each.
template <int Rows, int Vectors>
PITH_INLINE void product_tile(const Product& p, size_t row, size_t column, size_t columns) {
  const float* a = p.a + row * p.a_stride;
  const float* b = p.b + column;
  float* c = p.c + row * p.c_stride + column;
  __m256 acc[Rows][Vectors];
  for (int m = 0; m < Rows; ++m) {
    for (int v = 0; v < Vectors; ++v) {
      acc[m][v] = p.accumulate ? load_first(c + m * p.c_stride + 8 * v, columns - 8 * v)
                               : _mm256_setzero_ps();
    }
  }
  for (size_t k = 0; k < p.depth; ++k) {
    __m256 w[Vectors];
    for (int v = 0; v < Vectors; ++v) w[v] = _mm256_loadu_ps(b + k * p.b_stride + 8 * v);
#pragma GCC unroll 6
    for (int m = 0; m < Rows; ++m) {
      const __m256 x = _mm256_set1_ps(a[m * p.a_stride + k]);
      for (int v = 0; v < Vectors; ++v) acc[m][v] = _mm256_fmadd_ps(x, w[v], acc[m][v]);
    }
  }
  for (int m = 0; m < Rows; ++m) {
    for (int v = 0; v < Vectors; ++v) {
      store_first(c + m * p.c_stride + 8 * v, columns - 8 * v, acc[m][v]);
    }
  }
}

template <int Vectors>
void product_columns(const Product& p, size_t rows, size_t column, size_t columns) {
  size_t m = 0;
  for (; m + 6 <= rows; m += 6) {  // 6 x 2 sums, 2 loads, 1 broadcast: 15 of 16 registers
    product_tile<6, Vectors>(p, m, column, columns);
  }
  for (; m + 3 <= rows; m += 3) product_tile<3, Vectors>(p, m, column, columns);
  for (; m < rows; ++m) product_tile<1, Vectors>(p, m, column, columns);
}

void product_all(const Product& p, size_t rows, size_t columns) {
  for (size_t column = 0; column < columns; column += 16) {
    const size_t left = columns - column;
    if (left > 8)
      product_columns<2>(p, rows, column, left);
    else
      product_columns<1>(p, rows, column, left);
  }
}

// Turns the scores of one query into weights (0 where it sees nothing) and rescales
// its state. `positions` is a multiple of 8.
PITH_INLINE void softmax_update(float* scores, size_t visible, size_t positions, float* max,
                                float* sum, float* out, size_t head_size) {
  __m256 largest = _mm256_set1_ps(*max);
  for (size_t j = 0; j < visible; j += 8) {
    const __m256 lanes = _mm256_castsi256_ps(first_lanes(visible - j));
    const __m256 hidden = _mm256_set1_ps(-__builtin_inff());
    const __m256 v = _mm256_blendv_ps(hidden, _mm256_loadu_ps(scores + j), lanes);
    _mm256_storeu_ps(scores + j, v);
    largest = _mm256_max_ps(largest, v);
  }
  const float new_max = max_lanes(largest);
  const __m256 shift = _mm256_set1_ps(new_max);
  __m256 total = _mm256_setzero_ps();
  size_t j = 0;
  for (; j < visible; j += 8) {
    const __m256 v = exp_ps(_mm256_sub_ps(_mm256_loadu_ps(scores + j), shift));
    total = _mm256_add_ps(total, v);
    _mm256_storeu_ps(scores + j, v);
  }
  for (; j < positions; j += 8) _mm256_storeu_ps(scores + j, _mm256_setzero_ps());
  const __m256 correction = exp_ps(_mm256_set1_ps(*max - new_max));
  if (new_max != *max) {
    for (size_t d = 0; d < head_size; d += 8) {
      const __m256 o = load_first(out + d, head_size - d);
      store_first(out + d, head_size - d, _mm256_mul_ps(o, correction));
    }
  }
  *sum = *sum * _mm256_cvtss_f32(correction) + sum_lanes(total);
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
  const size_t positions = (seen + 7) / 8 * 8;
  widen_keys<Element>(block, size, positions, keys);
  widen_values<Element>(block, size, seen, stride, values);
  product_all({args.q, size, keys, kKvBlock, size, scores, kKvBlock, false}, args.queries,
              positions);
  for (size_t m = 0; m < args.queries; ++m) {
    float* row = scores + m * kKvBlock;
    const auto visible = static_cast<size_t>(args.seen(b, m));
    if (visible == 0) {
      for (size_t j = 0; j < positions; j += 8) _mm256_storeu_ps(row + j, _mm256_setzero_ps());
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
