// Activations to 8 bits.
#pragma once

#include "kernels/neon/vector.h"

namespace pith {
namespace {

// The largest magnitude of n floats, a multiple of 16.
PITH_INLINE float largest_of(const float* x, size_t n) {
  float32x4_t largest[4];
  for (int v = 0; v < 4; ++v) largest[v] = vdupq_n_f32(0);
  for (size_t i = 0; i < n; i += 16) {
    for (int v = 0; v < 4; ++v) {
      largest[v] = vmaxnmq_f32(largest[v], vabsq_f32(vld1q_f32(x + i + 4 * v)));
    }
  }
  return vmaxnmvq_f32(
      vmaxnmq_f32(vmaxnmq_f32(largest[0], largest[1]), vmaxnmq_f32(largest[2], largest[3])));
}

// 16 floats times `inverse`, rounded to nearest even.
PITH_INLINE int8x16_t quantize16(const float* x, float inverse, int8_t* q) {
  int16x4_t words[4];
  for (int v = 0; v < 4; ++v) {
    words[v] = vqmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 4 * v), inverse)));
  }
  const int8x16_t bytes = vcombine_s8(vqmovn_s16(vcombine_s16(words[0], words[1])),
                                      vqmovn_s16(vcombine_s16(words[2], words[3])));
  vst1q_s8(q, bytes);
  return bytes;
}

PITH_INLINE float inverse_of(float largest) {
  return largest > kNoActivation ? 127.0f / largest : 0.0f;
}

void quantize_super(const float* x, size_t n, const PanelRow& row) {
  const QuantizedRows& a = row.panel;
  for (size_t s = 0; s < n / kSuperInputs; ++s, x += kSuperInputs) {
    const float max = largest_of(x, kSuperInputs);
    const float inverse = inverse_of(max);
    a.scales[s * row.rows + row.index] = max / 127.0f;
    for (size_t b = 0; b < 8; ++b) {
      const size_t cell = (s * 8 + b) * row.rows + row.index;
      const int8x16_t low = quantize16(x + b * 32, inverse, a.q + cell * 32);
      const int8x16_t high = quantize16(x + b * 32 + 16, inverse, a.q + cell * 32 + 16);
      const int16x8_t sums4 = vpaddq_s16(vpaddlq_s8(low), vpaddlq_s8(high));  // over 4 inputs
      const int16x4_t sums8 = vpadd_s16(vget_low_s16(sums4), vget_high_s16(sums4));
      const int16x4_t sums = vpadd_s16(sums8, sums8);  // of low, of high, and once more
      vst1_s16(a.neg_sums8 + 4 * cell, vmul_n_s16(sums8, -32));
      a.sums16[2 * cell] = vget_lane_s16(sums, 0);
      a.sums16[2 * cell + 1] = vget_lane_s16(sums, 1);
      const size_t pair = (s * 4 + b / 2) * row.rows + row.index;
      a.sums32[2 * pair + b % 2] = static_cast<int16_t>(vaddv_s16(sums8));
    }
  }
}

void quantize_simple(const float* x, size_t n, const PanelRow& row) {
  const QuantizedRows& a = row.panel;
  for (size_t b = 0; b < n / kBlockInputs; ++b, x += kBlockInputs) {
    const float max = largest_of(x, kBlockInputs);
    const float inverse = inverse_of(max);
    const size_t cell = b * row.rows + row.index;
    const int8x16_t low = quantize16(x, inverse, a.q + cell * 32);
    const int8x16_t high = quantize16(x + 16, inverse, a.q + cell * 32 + 16);
    const int sum = vaddlvq_s8(low) + vaddlvq_s8(high);
    a.scales[cell] = max / 127.0f;
    a.neg_sums[cell] = -sum;
    a.scaled_sums[cell] = a.scales[cell] * static_cast<float>(sum);
  }
}

}  // namespace
}  // namespace pith
