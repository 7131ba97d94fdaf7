// Vectors of 4 floats: partial ones, sums over lanes, the exponential. The headers of
// this folder are for its two translation units alone; everything in them has internal
// linkage, because each unit is compiled for another instruction set.
#pragma once

#include <arm_neon.h>

#include "kernels/kernels.h"

#define PITH_INLINE inline __attribute__((always_inline))

namespace pith {
namespace {

// The first n lanes, at most 4; nothing beyond n is touched.
PITH_INLINE float32x4_t load_first(const float* p, size_t n) {
  if (n >= 4) return vld1q_f32(p);
  float padded[4] = {};
  __builtin_memcpy(padded, p, n * sizeof *p);
  return vld1q_f32(padded);
}
PITH_INLINE void store_first(float* p, size_t n, float32x4_t v) {
  if (n >= 4) return vst1q_f32(p, v);
  float padded[4];
  vst1q_f32(padded, v);
  __builtin_memcpy(p, padded, n * sizeof *p);
}

// All bits of the first n lanes.
PITH_INLINE uint32x4_t first_lanes(size_t n) {
  constexpr uint32_t kIndices[4] = {0, 1, 2, 3};
  return vcltq_u32(vld1q_u32(kIndices), vdupq_n_u32(static_cast<uint32_t>(n < 4 ? n : 4)));
}

// The order is part of a row's result: (0 + 1) + (2 + 3).
PITH_INLINE float sum_lanes(float32x4_t v) { return vaddvq_f32(v); }

PITH_INLINE float32x4_t load_half4(const void* p) {
  return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(static_cast<const uint8_t*>(p))));
}

// 2^n for integers -126 <= n <= 127.
PITH_INLINE float32x4_t exp2_int(int32x4_t n) {
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}

// e^x to 2 ulp: x = n ln 2 + r, |r| <= ln 2 / 2, a polynomial in r, times 2^n.
// Below -87.3 (the last normal float) the result is 0; from 89 on it is infinite.
PITH_INLINE float32x4_t exp_ps(float32x4_t x) {
  const uint32x4_t below = vcltq_f32(x, vdupq_n_f32(-87.3f));
  x = vminq_f32(vdupq_n_f32(89.0f), x);  // NaN stays
  const float32x4_t n = vrndnq_f32(vmulq_f32(x, vdupq_n_f32(1.44269504f)));
  float32x4_t r = vfmsq_f32(x, n, vdupq_n_f32(0.693359375f));
  r = vfmsq_f32(r, n, vdupq_n_f32(-2.12194440e-4f));
  float32x4_t p = vdupq_n_f32(1.0f / 5040);  // Taylor: |r|^8 / 8! < 6e-9
  p = vfmaq_f32(vdupq_n_f32(1.0f / 720), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f / 120), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f / 24), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f / 6), p, r);
  p = vfmaq_f32(vdupq_n_f32(0.5f), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
  // n may be 128: in two steps.
  const int32x4_t power = vcvtq_s32_f32(n);
  const int32x4_t half = vshrq_n_s32(power, 1);
  p = vmulq_f32(vmulq_f32(p, exp2_int(half)), exp2_int(vsubq_s32(power, half)));
  return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(p), below));
}

}  // namespace
}  // namespace pith
