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

// 16 floats times `inverse`, rounded to nearest even; returns their sum.
PITH_INLINE int quantize16(const float* x, float inverse, int8_t* q) {
  int16x4_t words[4];
  for (int v = 0; v < 4; ++v) {
    words[v] = vqmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 4 * v), inverse)));
  }
  const int8x16_t bytes = vcombine_s8(vqmovn_s16(vcombine_s16(words[0], words[1])),
                                      vqmovn_s16(vcombine_s16(words[2], words[3])));
  vst1q_s8(q, bytes);
  return vaddlvq_s8(bytes);
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
      const int low = quantize16(x + b * 32, inverse, a.q + cell * 32);
      const int high = quantize16(x + b * 32 + 16, inverse, a.q + cell * 32 + 16);
      a.sums16[2 * cell] = static_cast<int16_t>(low);
      a.sums16[2 * cell + 1] = static_cast<int16_t>(high);
      a.neg_sums[(s * 16 + b * 2) * row.rows + row.index] = -32 * low;
      a.neg_sums[(s * 16 + b * 2 + 1) * row.rows + row.index] = -32 * high;
      const size_t pair = (s * 4 + b / 2) * row.rows + row.index;
      a.sums32[2 * pair + b % 2] = static_cast<int16_t>(low + high);
    }
  }
}

void quantize_simple(const float* x, size_t n, const PanelRow& row) {
  const QuantizedRows& a = row.panel;
  for (size_t b = 0; b < n / kBlockInputs; ++b, x += kBlockInputs) {
    const float max = largest_of(x, kBlockInputs);
    const float inverse = inverse_of(max);
    const size_t cell = b * row.rows + row.index;
    const int sum =
        quantize16(x, inverse, a.q + cell * 32) + quantize16(x + 16, inverse, a.q + cell * 32 + 16);
    a.scales[cell] = max / 127.0f;
    a.neg_sums[cell] = -sum;
    a.scaled_sums[cell] = a.scales[cell] * static_cast<float>(sum);
  }
}

}  // namespace
}  // namespace pith
