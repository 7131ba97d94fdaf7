// Attention over one KV block by 16-bit integer dot products, which do twice the
// multiplications of floats and read integer caches as they are.
//
// A query is rounded to as many bits as sums of 32 bits allow, its softmax weights
// (times the scales of the values) to 13 bits under a scale of the block: errors of
// fp16's size. The scales belong to one query and block, so nothing beside them counts.
#pragma once

#include "kernels/avx512/vector.h"

namespace pith {
namespace {

constexpr float kQueryLimit = 32767;
// Of the magnitudes of a query. 8191 times it and the roundings of 256 channels is below
// 2^31, as is 64 positions x 8191 x 4095.
constexpr float kQuerySum = 262000;
constexpr float kWeightLimit = 8191;
constexpr size_t kPositionPairs = kKvBlock / 2;

// Two vectors of integers as 16 pairs of 16 bits.
PITH_INLINE __m512i pair(__m512i low, __m512i high) {
  return _mm512_mask_mov_epi16(low, 0xaaaaaaaa, _mm512_slli_epi32(high, 16));
}
PITH_INLINE __m512i pair_bytes(const int8_t* low, const int8_t* high) {
  return pair(_mm512_cvtepi8_epi32(load128(low)), _mm512_cvtepi8_epi32(load128(high)));
}

// 8-bit keys [D, 64] and values [64, D] as 16-bit pairs [D / 2, 64, 2] and [32, D, 2].
PITH_INLINE void pair_keys(const int8_t* keys, size_t size, int16_t* out) {
  for (size_t d = 0; d < size; d += 2) {
    for (size_t j = 0; j < kKvBlock; j += 16) {
      const int8_t* low = keys + d * kKvBlock + j;
      _mm512_storeu_si512(out + paired_key_at(d, j), pair_bytes(low, low + kKvBlock));
    }
  }
}
PITH_INLINE void pair_values(const int8_t* values, size_t size, int16_t* out) {
  for (size_t j = 0; j < kKvBlock; j += 2) {
    for (size_t d = 0; d < size; d += 16) {
      const int8_t* low = values + j * size + d;
      _mm512_storeu_si512(out + paired_value_at(j, d, size), pair_bytes(low, low + size));
    }
  }
}

// Factors that bring what is at most `largest` to at most `limit`, and back.
struct Scaling {
  float to;
  float from;
};
PITH_INLINE Scaling scaling(float largest, float limit) {
  return {largest > kNoActivation ? limit / largest : 0.0f, largest * (1 / limit)};
}

// A query to 16 bits; returns what brings its scores back.
PITH_INLINE float round_query(const float* q, size_t size, int16_t* out) {
  __m512 largest = _mm512_setzero_ps();
  __m512 total = _mm512_setzero_ps();
  for (size_t d = 0; d < size; d += 16) {
    const __m512 x = _mm512_abs_ps(_mm512_loadu_ps(q + d));
    largest = _mm512_max_ps(largest, x);
    total = _mm512_add_ps(total, x);
  }
  const Scaling by_largest = scaling(_mm512_reduce_max_ps(largest), kQueryLimit);
  const Scaling by_total = scaling(_mm512_reduce_add_ps(total), kQuerySum);
  const Scaling scale = by_largest.to < by_total.to ? by_largest : by_total;
  for (size_t d = 0; d < size; d += 16) {
    const __m512 x = _mm512_mul_ps(_mm512_loadu_ps(q + d), _mm512_set1_ps(scale.to));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + d),
                        _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(x)));
  }
  return scale.from;
}

// sum += the products of two times 16 bits, in each lane. Not by its intrinsic: GCC 12
// then moves sums between registers.
PITH_INLINE void dot_pairs(__m512i& sum, __m512i a, __m512i b) {
  asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
}

// sums[m, v] = sum over k of a[m, k] * b[k, 16 v ...], where a [., depth] and b
// [depth, b_stride] are pairs of 16 bits; then done(m, v, sums[m, v]).
template <int Rows, int Vectors, class Done>
PITH_INLINE void pair_product(const int16_t* a, size_t a_stride, const int16_t* b, size_t b_stride,
                              size_t depth, const Done& done) {
  __m512i sums[Rows][Vectors];
  unrolled<Rows>(
      PITH_EACH(m) { unrolled<Vectors>(PITH_EACH(v) { sums[m][v] = _mm512_setzero_si512(); }); });
  for (size_t k = 0; k < depth; ++k) {
    __m512i row[Vectors];
    unrolled<Vectors>(PITH_EACH(v) { row[v] = load(b + 2 * (k * b_stride + 16 * v)); });
    unrolled<Rows>(PITH_EACH(m) {
      const __m512i x = broadcast4(a + m * a_stride + 2 * k);
      unrolled<Vectors>(PITH_EACH(v) { dot_pairs(sums[m][v], row[v], x); });
    });
  }
  unrolled<Rows>(PITH_EACH(m) { unrolled<Vectors>(PITH_EACH(v) { done(m, v, sums[m][v]); }); });
}

// f.operator()<Rows>(first) over all rows, at most 6 at a time (24 sums, 4 loads and a
// broadcast fit the 32 registers), as evenly as can be.
template <class F>
PITH_INLINE void for_row_groups(size_t rows, const F& f) {
  const size_t groups = (rows + 5) / 6;
  for (size_t g = 0; g < groups; ++g) {
    const size_t first = rows * g / groups;
    switch (rows * (g + 1) / groups - first) {
      case 1:
        f.template operator()<1>(first);
        break;
      case 2:
        f.template operator()<2>(first);
        break;
      case 3:
        f.template operator()<3>(first);
        break;
      case 4:
        f.template operator()<4>(first);
        break;
      case 5:
        f.template operator()<5>(first);
        break;
      default:
        f.template operator()<6>(first);
        break;
    }
  }
}

// What a query's weights in this block, and what it has so far, are multiplied by.
struct Fold {
  float keep;  // its sum and values so far
  float add;   // the block's integer sums
};

// Turns the scores of one query into weights of 16 bits and updates max and sum.
PITH_INLINE Fold round_weights(const float* scores, int visible, const float* value_scales,
                               float* max, float* sum, int16_t* out) {
  __m512 v[4];
  __mmask16 seen[4];
  __m512 largest = _mm512_set1_ps(-__builtin_inff());
  unrolled<4>(PITH_EACH(i) {
    const int left = visible - 16 * i;
    seen[i] = left >= 16 ? 0xffff : left > 0 ? first(static_cast<size_t>(left)) : 0;
    v[i] = _mm512_mask_loadu_ps(_mm512_set1_ps(-__builtin_inff()), seen[i], scores + 16 * i);
    largest = _mm512_max_ps(largest, v[i]);
  });
  const float block_max = _mm512_reduce_max_ps(largest);
  const __m512 shift = _mm512_set1_ps(block_max);
  __m512 total = _mm512_setzero_ps();
  largest = _mm512_setzero_ps();
  unrolled<4>(PITH_EACH(i) {
    const __m512 weight = exp_ps(_mm512_sub_ps(v[i], shift));
    total = _mm512_add_ps(total, weight);
    v[i] = _mm512_mul_ps(weight, _mm512_maskz_loadu_ps(seen[i], value_scales + 16 * i));
    largest = _mm512_max_ps(largest, v[i]);
  });
  const Scaling scale = scaling(_mm512_reduce_max_ps(largest), kWeightLimit);
  unrolled<4>(PITH_EACH(i) {
    const __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(v[i], _mm512_set1_ps(scale.to)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 16 * i), _mm512_cvtepi32_epi16(whole));
  });
  const float new_max = block_max > *max ? block_max : *max;
  const float keep = _mm512_cvtss_f32(exp_ps(_mm512_set1_ps(*max - new_max)));
  const float add = _mm512_cvtss_f32(exp_ps(_mm512_set1_ps(block_max - new_max)));
  *sum = *sum * keep + add * _mm512_reduce_add_ps(total);
  *max = new_max;
  return {keep, add * scale.from};
}

// out = out * keep + weights x values * add, for 16 Vectors channels from d on.
template <int Rows, int Vectors>
PITH_INLINE void add_values(const int16_t* weights, const int16_t* values, const Fold* folds,
                            float* out, size_t size, size_t d) {
  pair_product<Rows, Vectors>(
      weights, kKvBlock, values + 2 * d, size,
      kPositionPairs, [&](int m, int v, __m512i sum) __attribute__((always_inline)) {
        float* to = out + m * size + d + 16 * v;
        const __m512 kept = _mm512_mul_ps(_mm512_loadu_ps(to), _mm512_set1_ps(folds[m].keep));
        _mm512_storeu_ps(
            to, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(folds[m].add), kept));
      });
}

// Rows queries from m0 on. rounded: scratch for [6, D].
template <int Rows>
void attend_rows(const AttendArgs& args, const int16_t* keys, const int16_t* values, size_t m0,
                 int16_t* rounded) {
  const size_t size = args.head_size;
  alignas(64) float scores[Rows * kKvBlock];
  alignas(64) int16_t weights[Rows * kKvBlock];
  float query_scales[Rows];
  Fold folds[Rows];
  for (int m = 0; m < Rows; ++m) {
    query_scales[m] = round_query(args.q + (m0 + m) * size, size, rounded + m * size);
  }
  pair_product<Rows, 4>(
      rounded, size, keys, kKvBlock,
      size / 2, [&](int m, int v, __m512i sum) __attribute__((always_inline)) {
        const __m512 scale = _mm512_mul_ps(_mm512_loadu_ps(args.key_scales + 16 * v),
                                           _mm512_set1_ps(query_scales[m]));
        _mm512_store_ps(scores + m * kKvBlock + 16 * v,
                        _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale));
      });
  for (int m = 0; m < Rows; ++m) {
    const int visible = args.visible[m0 + m];
    if (visible == 0) {  // weights of 0, and what it has stays as it is
      __builtin_memset(weights + m * kKvBlock, 0, kKvBlock * sizeof *weights);
      folds[m] = {1, 0};
      continue;
    }
    folds[m] = round_weights(scores + m * kKvBlock, visible, args.value_scales, args.max + m0 + m,
                             args.sum + m0 + m, weights + m * kKvBlock);
  }
  float* out = args.out + m0 * size;
  size_t d = 0;
  for (; d + 64 <= size; d += 64) add_values<Rows, 4>(weights, values, folds, out, size, d);
  for (; d < size; d += 16) add_values<Rows, 1>(weights, values, folds, out, size, d);
}

// head_size is a multiple of 16.
template <class Element>
void attend_integers(const AttendArgs& args) {
  const size_t size = args.head_size;
  auto* rounded = reinterpret_cast<int16_t*>(args.scratch);  // [6, D]
  const int16_t* keys;
  const int16_t* values;
  if constexpr (sizeof(Element) == sizeof(int16_t)) {
    keys = static_cast<const int16_t*>(args.keys);
    values = static_cast<const int16_t*>(args.values);
  } else {
    int16_t* key_pairs = rounded + 6 * size;             // [D / 2, 64, 2]
    int16_t* value_pairs = key_pairs + kKvBlock * size;  // [32, D, 2]
    pair_keys(static_cast<const int8_t*>(args.keys), size, key_pairs);
    pair_values(static_cast<const int8_t*>(args.values), size, value_pairs);
    keys = key_pairs;
    values = value_pairs;
  }
  for_row_groups(args.queries,
                 [&]<int Rows>(size_t m0) { attend_rows<Rows>(args, keys, values, m0, rounded); });
}

}  // namespace
}  // namespace pith
