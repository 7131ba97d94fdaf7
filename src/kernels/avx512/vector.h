// Vectors of 16 floats: partial ones, fp16, the exponential. The headers of this folder
// are for kernels.cpp alone; everything in them has internal linkage, because it is
// compiled for an instruction set that the machine may lack.
#pragma once

#include <immintrin.h>

#include "kernels/kernels.h"

#define PITH_INLINE inline __attribute__((always_inline))

namespace pith {
namespace {

PITH_INLINE __m512i load(const void* p) { return _mm512_loadu_si512(p); }
PITH_INLINE __m256i load256(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
PITH_INLINE __m128i load128(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
PITH_INLINE __m512 load_half16(const void* p) { return _mm512_cvtph_ps(load256(p)); }

// Four bytes to all 16 lanes.
PITH_INLINE __m512i broadcast4(const void* p) {
  int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return _mm512_set1_epi32(four);
}

// f.operator()<0>() to <N - 1>(): a loop whose index is a constant, so that arrays of
// vectors that it indexes live in registers.
template <int N, int I = 0, class F>
PITH_INLINE void unrolled(const F& f) {
  if constexpr (I < N) {
    f.template operator()<I>();
    unrolled<N, I + 1>(f);
  }
}
#define PITH_EACH(index) \
  [&]<int index>() __attribute__((always_inline))  // NOLINT(bugprone-macro-parentheses)

// The lanes of a last, partial vector of n elements (n < 16).
PITH_INLINE __mmask16 first(size_t n) { return static_cast<__mmask16>((1u << n) - 1); }

// e^x to 2 ulp: x = n ln 2 + r, |r| <= ln 2 / 2, a polynomial in r, times 2^n.
// Below -87.3 (the last normal float) the result is 0; above 88.3 it is infinite.
PITH_INLINE __m512 exp_ps(__m512 x) {
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 8);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.0f / 5040);  // Taylor: |r|^8 / 8! < 6e-9
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 720));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  const __mmask16 normal = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.3f), _CMP_NLT_UQ);
  return _mm512_maskz_scalef_ps(normal, p, n);
}

}  // namespace
}  // namespace pith
