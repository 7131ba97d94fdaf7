// What runs over one vector: norms, activation functions, rotations, reductions.
#pragma once

#include "kernels/avx512/vector.h"

namespace pith {
namespace {

void rms_norm(const float* x, const float* weight, float epsilon, size_t n, float* out) {
  __m512 sum = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m512 v = _mm512_loadu_ps(x + i);
    sum = _mm512_fmadd_ps(v, v, sum);
  }
  if (i < n) {
    const __m512 v = _mm512_maskz_loadu_ps(first(n - i), x + i);
    sum = _mm512_fmadd_ps(v, v, sum);
  }
  const float mean = _mm512_reduce_add_ps(sum) / static_cast<float>(n) + epsilon;
  const __m512 factor = _mm512_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(mean))));
  for (i = 0; i < n; i += 16) {
    const __mmask16 mask = n - i < 16 ? first(n - i) : static_cast<__mmask16>(0xffff);
    const __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), factor);
    _mm512_mask_storeu_ps(out + i, mask, _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, weight + i)));
  }
}

float weigh(const float* x, const float* weight, size_t n, float* out) {
  __m512 sum = _mm512_setzero_ps();
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 mask = n - i < 16 ? first(n - i) : static_cast<__mmask16>(0xffff);
    const __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
    sum = _mm512_fmadd_ps(v, v, sum);
    _mm512_mask_storeu_ps(out + i, mask, _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, weight + i)));
  }
  return _mm512_reduce_add_ps(sum);
}

void silu_mul(const float* gate, const float* up, size_t n, float* out) {
  const __m512 one = _mm512_set1_ps(1.0f);
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 mask = n - i < 16 ? first(n - i) : static_cast<__mmask16>(0xffff);
    const __m512 g = _mm512_maskz_loadu_ps(mask, gate + i);
    const __m512 denominator = _mm512_add_ps(one, exp_ps(_mm512_sub_ps(_mm512_setzero_ps(), g)));
    const __m512 silu = _mm512_div_ps(g, denominator);
    _mm512_mask_storeu_ps(out + i, mask, _mm512_mul_ps(silu, _mm512_maskz_loadu_ps(mask, up + i)));
  }
}

void add(float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 mask = n - i < 16 ? first(n - i) : static_cast<__mmask16>(0xffff);
    const __m512 sum =
        _mm512_add_ps(_mm512_maskz_loadu_ps(mask, x + i), _mm512_maskz_loadu_ps(mask, y + i));
    _mm512_mask_storeu_ps(x + i, mask, sum);
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
  for (size_t i = 0; i < half; i += 16) {
    const __mmask16 mask = half - i < 16 ? first(half - i) : static_cast<__mmask16>(0xffff);
    const __m512 a = _mm512_maskz_loadu_ps(mask, head + i);
    const __m512 b = _mm512_maskz_loadu_ps(mask, head + half + i);
    const __m512 c = _mm512_maskz_loadu_ps(mask, cosines + i);
    const __m512 s = _mm512_maskz_loadu_ps(mask, sines + i);
    _mm512_mask_storeu_ps(head + i, mask, _mm512_fmsub_ps(a, c, _mm512_mul_ps(b, s)));
    _mm512_mask_storeu_ps(head + half + i, mask, _mm512_fmadd_ps(b, c, _mm512_mul_ps(a, s)));
  }
}

void to_half(const float* x, size_t n, uint16_t* out) {
  const __m512 limit = _mm512_set1_ps(65504.0f);
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 mask = n - i < 16 ? first(n - i) : static_cast<__mmask16>(0xffff);
    __m512 v = _mm512_min_ps(limit, _mm512_maskz_loadu_ps(mask, x + i));
    v = _mm512_max_ps(_mm512_sub_ps(_mm512_setzero_ps(), limit), v);
    _mm256_mask_storeu_epi16(out + i, mask, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
}

float max_of(const float* x, size_t n) {
  const __m512 lowest = _mm512_set1_ps(-__builtin_inff());
  __m512 largest = lowest;
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 mask = n - i < 16 ? first(n - i) : static_cast<__mmask16>(0xffff);
    largest = _mm512_max_ps(largest, _mm512_mask_loadu_ps(lowest, mask, x + i));
  }
  return _mm512_reduce_max_ps(largest);
}

float log_sum_exp(const float* x, size_t n) {
  const float largest = max_of(x, n);
  const __m512 shift = _mm512_set1_ps(largest);
  __m512 sum = _mm512_setzero_ps();
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 mask = n - i < 16 ? first(n - i) : static_cast<__mmask16>(0xffff);
    const __m512 v = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), shift);
    sum = _mm512_mask_add_ps(sum, mask, sum, exp_ps(v));
  }
  return largest + __builtin_logf(_mm512_reduce_add_ps(sum));
}

}  // namespace
}  // namespace pith
