// Attention over KV blocks by 16-bit integer dot products, which do twice the
// multiplications of floats and read integer caches as they are.
//
// A query is rounded to as many bits as sums of 32 bits allow, its softmax weights
// (times the scales of the values) to 13 bits under a scale of the block: errors of
// fp16's size. The scales belong to one query, or to it and a block, so nothing beside them
// counts.
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

// Combines the lanes of each of Rows vectors; that of vector m is lane m of the result.
template <int Rows, class Op>
PITH_INLINE __m512 reduce_each(const __m512* rows, const Op& op) {
  // Of two vectors the halves, then of two such the quarters.
  const auto halves = [&](int a, int b) __attribute__((always_inline)) {
    const __m512 x = rows[a < Rows ? a : 0];
    const __m512 y = rows[b < Rows ? b : 0];
    return op(_mm512_shuffle_f32x4(x, y, 0x44), _mm512_shuffle_f32x4(x, y, 0xee));
  };
  const auto quarters = [&](int a) __attribute__((always_inline)) {
    const __m512 x = halves(a, a + 1);
    const __m512 y = halves(a + 2, a + 3);
    return op(_mm512_shuffle_f32x4(x, y, 0x88), _mm512_shuffle_f32x4(x, y, 0xdd));
  };
  const __m512 low = quarters(0);
  const __m512 high = Rows > 4 ? quarters(4) : low;
  const __m512 pairs = op(_mm512_shuffle_ps(low, high, 0x44), _mm512_shuffle_ps(low, high, 0xee));
  const __m512 all = op(pairs, _mm512_permute_ps(pairs, 0xb1));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 2, 6, 10, 14, 0, 0, 0, 0, 0, 0, 0, 0);
  return _mm512_permutexvar_ps(order, all);
}

// What is multiplied by what, by query.
struct alignas(64) Folds {
  float to[16];    // a block's weights, to become integers
  float keep[16];  // sum and values so far
  float add[16];   // the block's integer sums
};

// Turns scores [Rows, 64] into weights of 16 bits and updates max and sum. `scores` are
// overwritten.
template <int Rows>
PITH_INLINE void round_weights(float* scores, const int32_t* visible, const float* value_scales,
                               float* max, float* sum, Folds& folds, int16_t* weights) {
  const auto larger = [](__m512 a, __m512 b) __attribute__((always_inline)) {
    return _mm512_max_ps(a, b);
  };
  const auto added = [](__m512 a, __m512 b) __attribute__((always_inline)) {
    return _mm512_add_ps(a, b);
  };
  const auto seen = [&](int m, int i) __attribute__((always_inline)) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_cmplt_epi32_mask(lanes, _mm512_set1_epi32(visible[m] - 16 * i));
  };
  const __m512 none = _mm512_set1_ps(-__builtin_inff());
  const auto score = [&](int m, int i) __attribute__((always_inline)) {
    return _mm512_mask_loadu_ps(none, seen(m, i), scores + m * kKvBlock + 16 * i);
  };
  __m512 largest[Rows];
  unrolled<Rows>(PITH_EACH(m) {
    largest[m] = _mm512_max_ps(_mm512_max_ps(score(m, 0), score(m, 1)),
                               _mm512_max_ps(score(m, 2), score(m, 3)));
  });
  const __m512 block_max = reduce_each<Rows>(largest, larger);
  // Who sees nothing has weights of 0, and what it has stays as it is.
  const __mmask16 sees = _mm512_cmp_ps_mask(block_max, none, _CMP_NEQ_UQ);
  alignas(64) float shifts[16];
  _mm512_store_ps(shifts, _mm512_maskz_mov_ps(sees, block_max));

  __m512 totals[Rows];
  unrolled<Rows>(PITH_EACH(m) {
    totals[m] = largest[m] = _mm512_setzero_ps();
    unrolled<4>(PITH_EACH(i) {
      const __m512 weight = exp_ps(_mm512_sub_ps(score(m, i), _mm512_set1_ps(shifts[m])));
      totals[m] = _mm512_add_ps(totals[m], weight);
      const __m512 scaled =
          _mm512_mul_ps(weight, _mm512_maskz_loadu_ps(seen(m, i), value_scales + 16 * i));
      largest[m] = _mm512_max_ps(largest[m], scaled);
      _mm512_storeu_ps(scores + m * kKvBlock + 16 * i, scaled);
    });
  });
  const __m512 total = reduce_each<Rows>(totals, added);
  const __m512 top = reduce_each<Rows>(largest, larger);

  const __mmask16 rows = first(Rows);
  const __m512 before = _mm512_maskz_loadu_ps(rows, max);
  const __m512 after = _mm512_max_ps(before, block_max);
  const __m512 keep = exp_ps(_mm512_maskz_sub_ps(sees, before, after));
  const __m512 add = _mm512_maskz_mov_ps(sees, exp_ps(_mm512_sub_ps(block_max, after)));
  _mm512_mask_storeu_ps(max, rows, after);
  _mm512_mask_storeu_ps(
      sum, rows,
      _mm512_fmadd_ps(_mm512_maskz_loadu_ps(rows, sum), keep, _mm512_mul_ps(add, total)));
  const __mmask16 any = _mm512_cmp_ps_mask(top, _mm512_set1_ps(kNoActivation), _CMP_GT_OQ);
  _mm512_store_ps(folds.to, _mm512_maskz_div_ps(any, _mm512_set1_ps(kWeightLimit), top));
  _mm512_store_ps(folds.keep, keep);
  _mm512_store_ps(folds.add,
                  _mm512_mul_ps(add, _mm512_mul_ps(top, _mm512_set1_ps(1 / kWeightLimit))));
  unrolled<Rows>(PITH_EACH(m) {
    unrolled<4>(PITH_EACH(i) {
      const __m512 x = _mm512_loadu_ps(scores + m * kKvBlock + 16 * i);
      const __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(x, _mm512_set1_ps(folds.to[m])));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(weights + m * kKvBlock + 16 * i),
                          _mm512_cvtepi32_epi16(whole));
    });
  });
}

// out = out * keep + weights x values * add, for 16 Vectors channels from d on.
template <int Rows, int Vectors>
PITH_INLINE void add_values(const int16_t* weights, const int16_t* values, const Folds& folds,
                            float* out, size_t size, size_t d) {
  pair_product<Rows, Vectors>(
      weights, kKvBlock, values + 2 * d, size,
      kPositionPairs, [&](int m, int v, __m512i sum) __attribute__((always_inline)) {
        float* to = out + m * size + d + 16 * v;
        const __m512 kept = _mm512_mul_ps(_mm512_loadu_ps(to), _mm512_set1_ps(folds.keep[m]));
        _mm512_storeu_ps(
            to, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(folds.add[m]), kept));
      });
}

// Queries rounded to 16 bits.
struct RoundedQueries {
  const int16_t* q;     // [queries, D]
  const float* scales;  // [queries]
};

// A block of 16-bit pairs, with its scales.
struct PairedBlock {
  const int16_t* keys;
  const int16_t* values;
  const float* key_scales;
  const float* value_scales;
};

// Rows queries from m0 on and one block, of which query m sees visible[m].
template <int Rows>
void attend_rows(const AttendArgs& args, const RoundedQueries& queries, const PairedBlock& block,
                 const int32_t* visible, size_t m0) {
  const size_t size = args.head_size;
  alignas(64) float scores[Rows * kKvBlock];
  alignas(64) int16_t weights[Rows * kKvBlock];
  Folds folds;
  pair_product<Rows, 4>(
      queries.q + m0 * size, size, block.keys, kKvBlock,
      size / 2, [&](int m, int v, __m512i sum) __attribute__((always_inline)) {
        const __m512 scale = _mm512_mul_ps(_mm512_loadu_ps(block.key_scales + 16 * v),
                                           _mm512_set1_ps(queries.scales[m0 + m]));
        _mm512_store_ps(scores + m * kKvBlock + 16 * v,
                        _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale));
      });
  round_weights<Rows>(scores, visible, block.value_scales, args.max + m0, args.sum + m0, folds,
                      weights);
  float* out = args.out + m0 * size;
  size_t d = 0;
  for (; d + 64 <= size; d += 64) add_values<Rows, 4>(weights, block.values, folds, out, size, d);
  for (; d < size; d += 16) add_values<Rows, 1>(weights, block.values, folds, out, size, d);
}

// A block as it is, or made of 8-bit keys and values in `scratch` [2, 64, D].
template <class Element>
PITH_INLINE PairedBlock paired(const KvBlock& block, size_t size, int16_t* scratch) {
  if constexpr (sizeof(Element) == sizeof(int16_t)) {
    return {static_cast<const int16_t*>(block.keys), static_cast<const int16_t*>(block.values),
            block.key_scales, block.value_scales};
  } else {
    int16_t* values = scratch + kKvBlock * size;
    pair_keys(static_cast<const int8_t*>(block.keys), size, scratch);
    pair_values(static_cast<const int8_t*>(block.values), size, values);
    return {scratch, values, block.key_scales, block.value_scales};
  }
}

// head_size is a multiple of 16.
template <class Element>
void attend_integers(const AttendArgs& args) {
  constexpr int32_t kAll[] = {kKvBlock, kKvBlock, kKvBlock, kKvBlock, kKvBlock, kKvBlock};
  const size_t size = args.head_size;
  auto* pairs = reinterpret_cast<int16_t*>(args.scratch);  // [2, 64, D]
  int16_t* rounded = pairs + 2 * kKvBlock * size;          // [queries, D]
  float* scales = args.scratch + kKvBlock * size + args.queries * size / 2;
  for (size_t m = 0; m < args.queries; ++m) {
    scales[m] = round_query(args.q + m * size, size, rounded + m * size);
  }
  const RoundedQueries queries{rounded, scales};
  for (size_t b = 0; b < args.block_count; ++b) {
    const PairedBlock block = paired<Element>(args.blocks[b], size, pairs);
    const bool last = b + 1 == args.block_count;
    for_row_groups(args.queries, [&]<int Rows>(size_t m0) {
      attend_rows<Rows>(args, queries, block, last ? args.visible + m0 : kAll, m0);
    });
  }
}

}  // namespace
}  // namespace pith
