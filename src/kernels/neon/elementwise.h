// What the forward pass does between products, and over logits.
#pragma once

#include "kernels/neon/vector.h"

namespace pith {
namespace {

void rms_norm(const float* x, const float* weight, float epsilon, size_t n, float* out) {
  float32x4_t sums[4];
  for (int v = 0; v < 4; ++v) sums[v] = vdupq_n_f32(0);
  for (size_t i = 0; i < n; i += 16) {
    for (size_t v = 0; v < 4 && i + 4 * v < n; ++v) {
      const float32x4_t value = load_first(x + i + 4 * v, n - i - 4 * v);
      sums[v] = vfmaq_f32(sums[v], value, value);
    }
  }
  const float sum = sum_lanes(vaddq_f32(vaddq_f32(sums[0], sums[1]), vaddq_f32(sums[2], sums[3])));
  const float factor = 1.0f / __builtin_sqrtf(sum / static_cast<float>(n) + epsilon);
  for (size_t i = 0; i < n; i += 4) {
    const float32x4_t v = vmulq_n_f32(load_first(x + i, n - i), factor);
    store_first(out + i, n - i, vmulq_f32(v, load_first(weight + i, n - i)));
  }
}

float weigh(const float* x, const float* weight, size_t n, float* out) {
  float32x4_t sum = vdupq_n_f32(0);
  for (size_t i = 0; i < n; i += 4) {
    const float32x4_t v = load_first(x + i, n - i);
    sum = vfmaq_f32(sum, v, v);
    store_first(out + i, n - i, vmulq_f32(v, load_first(weight + i, n - i)));
  }
  return sum_lanes(sum);
}

void silu_mul(const float* gate, const float* up, size_t n, float* out) {
  for (size_t i = 0; i < n; i += 4) {
    const float32x4_t g = load_first(gate + i, n - i);
    const float32x4_t silu = vdivq_f32(g, vaddq_f32(vdupq_n_f32(1), exp_ps(vnegq_f32(g))));
    store_first(out + i, n - i, vmulq_f32(silu, load_first(up + i, n - i)));
  }
}

void add(float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; i += 4) {
    store_first(x + i, n - i, vaddq_f32(load_first(x + i, n - i), load_first(y + i, n - i)));
  }
}

void rope(float* head, const float* cosines, const float* sines, size_t head_size,
          bool interleaved) {
  const size_t half = head_size / 2;
  if (interleaved) {
    for (size_t i = 0; i < half; ++i) {
      const float a = head[2 * i];
      const float b = head[2 * i + 1];
      head[2 * i] = a * cosines[i] - b * sines[i];
      head[2 * i + 1] = b * cosines[i] + a * sines[i];
    }
    return;
  }
  for (size_t i = 0; i < half; i += 4) {
    const size_t n = half - i;
    const float32x4_t a = load_first(head + i, n);
    const float32x4_t b = load_first(head + half + i, n);
    const float32x4_t c = load_first(cosines + i, n);
    const float32x4_t s = load_first(sines + i, n);
    store_first(head + i, n, vfmsq_f32(vmulq_f32(a, c), b, s));
    store_first(head + half + i, n, vfmaq_f32(vmulq_f32(a, s), b, c));
  }
}

void to_half(const float* x, size_t n, uint16_t* out) {
  const float32x4_t limit = vdupq_n_f32(65504.0f);
  for (size_t i = 0; i < n; i += 4) {
    const float32x4_t v = vminnmq_f32(limit, load_first(x + i, n - i));
    const uint16x4_t half = vreinterpret_u16_f16(vcvt_f16_f32(vmaxnmq_f32(vnegq_f32(limit), v)));
    if (n - i >= 4) {
      vst1_u16(out + i, half);
    } else {
      __builtin_memcpy(out + i, &half, (n - i) * sizeof *out);
    }
  }
}

float max_of(const float* x, size_t n) {
  float32x4_t largest = vdupq_n_f32(-__builtin_inff());
  for (size_t i = 0; i < n; i += 4) {
    const float32x4_t v = load_first(x + i, n - i);
    largest = vbslq_f32(first_lanes(n - i), vmaxnmq_f32(largest, v), largest);
  }
  return vmaxnmvq_f32(largest);
}

float log_sum_exp(const float* x, size_t n) {
  const float largest = max_of(x, n);
  float32x4_t sum = vdupq_n_f32(0);
  for (size_t i = 0; i < n; i += 4) {
    const float32x4_t v = exp_ps(vsubq_f32(load_first(x + i, n - i), vdupq_n_f32(largest)));
    const uint32x4_t kept = vandq_u32(vreinterpretq_u32_f32(v), first_lanes(n - i));
    sum = vaddq_f32(sum, vreinterpretq_f32_u32(kept));
  }
  return largest + __builtin_logf(sum_lanes(sum));
}

}  // namespace
}  // namespace pith
