// Vectors of 8 floats: partial ones, sums, fp16, the exponential. The headers of this
// folder are for kernels.cpp alone; everything in them has internal linkage, because it is
// compiled for an instruction set that the machine may lack.
#pragma once

#include <immintrin.h>

#include "kernels/kernels.h"

#define PITH_INLINE inline __attribute__((always_inline))

namespace pith {
namespace {

PITH_INLINE __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
PITH_INLINE __m128i load128(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
PITH_INLINE void store(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
PITH_INLINE __m256 load_half8(const void* p) { return _mm256_cvtph_ps(load128(p)); }

// Four neighbouring activations (or two sums), to 8 outputs.
PITH_INLINE __m256i broadcast4(const void* p) {
  int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return _mm256_set1_epi32(four);
}

// The first n lanes (all, from 8 on) as the sign bits of a vector.
PITH_INLINE __m256i first_lanes(size_t n) {
  alignas(32) static constexpr int32_t kLanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return load(kLanes + 8 - (n < 8 ? n : 8));
}

// At most 8 floats; nothing beyond n is touched. Masked stores are slow on some
// machines, so whole vectors go without.
PITH_INLINE __m256 load_first(const float* p, size_t n) {
  return n >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first_lanes(n));
}
PITH_INLINE void store_first(float* p, size_t n, __m256 v) {
  if (n >= 8)
    _mm256_storeu_ps(p, v);
  else
    _mm256_maskstore_ps(p, first_lanes(n), v);
}

PITH_INLINE float sum_lanes(__m256 v) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

PITH_INLINE float max_lanes(__m256 v) {
  __m128 max = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  max = _mm_max_ps(max, _mm_movehl_ps(max, max));
  return _mm_cvtss_f32(_mm_max_ss(max, _mm_movehdup_ps(max)));
}

PITH_INLINE __m256 abs_ps(__m256 v) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v); }

// 2^n for integers -126 <= n <= 127.
PITH_INLINE __m256 exp2_int(__m256i n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

// e^x to 2 ulp: x = n ln 2 + r, |r| <= ln 2 / 2, a polynomial in r, times 2^n.
// Below -87.3 (the last normal float) the result is 0; from 89 on it is infinite.
PITH_INLINE __m256 exp_ps(__m256 x) {
  const __m256 below = _mm256_cmp_ps(x, _mm256_set1_ps(-87.3f), _CMP_LT_OQ);
  x = _mm256_min_ps(_mm256_set1_ps(89.0f), x);  // NaN stays
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
  __m256 p = _mm256_set1_ps(1.0f / 5040);  // Taylor: |r|^8 / 8! < 6e-9
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 720));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 120));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 24));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 6));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  // n may be 128: in two steps.
  const __m256i power = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(power, 1);
  p = _mm256_mul_ps(_mm256_mul_ps(p, exp2_int(half)), exp2_int(_mm256_sub_epi32(power, half)));
  return _mm256_andnot_ps(below, p);
}

}  // namespace
}  // namespace pith
