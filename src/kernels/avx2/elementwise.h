// What is done element by element, and over all of a row.
#pragma once

#include "kernels/avx2/vector.h"

namespace pith {
namespace {

void rms_norm(const float* x, const float* weight, float epsilon, size_t n, float* out) {
  __m256 sums[2] = {};
  for (size_t i = 0; i < n; i += 16) {
    for (size_t v = 0; v < 2 && i + 8 * v < n; ++v) {
      const __m256 value = load_first(x + i + 8 * v, n - i - 8 * v);
      sums[v] = _mm256_fmadd_ps(value, value, sums[v]);
    }
  }
  const float mean = sum_lanes(_mm256_add_ps(sums[0], sums[1])) / static_cast<float>(n) + epsilon;
  const __m256 factor = _mm256_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(mean))));
  for (size_t i = 0; i < n; i += 8) {
    const __m256 v = _mm256_mul_ps(load_first(x + i, n - i), factor);
    store_first(out + i, n - i, _mm256_mul_ps(v, load_first(weight + i, n - i)));
  }
}

float weigh(const float* x, const float* weight, size_t n, float* out) {
  __m256 sum = _mm256_setzero_ps();
  for (size_t i = 0; i < n; i += 8) {
    const __m256 v = load_first(x + i, n - i);
    sum = _mm256_fmadd_ps(v, v, sum);
    store_first(out + i, n - i, _mm256_mul_ps(v, load_first(weight + i, n - i)));
  }
  return sum_lanes(sum);
}

void silu_mul(const float* gate, const float* up, size_t n, float* out) {
  const __m256 one = _mm256_set1_ps(1.0f);
  for (size_t i = 0; i < n; i += 8) {
    const __m256 g = load_first(gate + i, n - i);
    const __m256 denominator = _mm256_add_ps(one, exp_ps(_mm256_sub_ps(_mm256_setzero_ps(), g)));
    const __m256 silu = _mm256_div_ps(g, denominator);
    store_first(out + i, n - i, _mm256_mul_ps(silu, load_first(up + i, n - i)));
  }
}

void add(float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; i += 8) {
    store_first(x + i, n - i, _mm256_add_ps(load_first(x + i, n - i), load_first(y + i, n - i)));
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
  for (size_t i = 0; i < half; i += 8) {
    const size_t n = half - i;
    const __m256 a = load_first(head + i, n);
    const __m256 b = load_first(head + half + i, n);
    const __m256 c = load_first(cosines + i, n);
    const __m256 s = load_first(sines + i, n);
    store_first(head + i, n, _mm256_fmsub_ps(a, c, _mm256_mul_ps(b, s)));
    store_first(head + half + i, n, _mm256_fmadd_ps(b, c, _mm256_mul_ps(a, s)));
  }
}

void to_half(const float* x, size_t n, uint16_t* out) {
  const __m256 limit = _mm256_set1_ps(65504.0f);
  for (size_t i = 0; i < n; i += 8) {
    __m256 v = _mm256_min_ps(limit, load_first(x + i, n - i));
    v = _mm256_max_ps(_mm256_sub_ps(_mm256_setzero_ps(), limit), v);
    const __m128i half = _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
    if (n - i >= 8)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), half);
    else
      __builtin_memcpy(out + i, &half, (n - i) * sizeof *out);
  }
}

float max_of(const float* x, size_t n) {
  const __m256 lowest = _mm256_set1_ps(-__builtin_inff());
  __m256 largest = lowest;
  for (size_t i = 0; i < n; i += 8) {
    const __m256 lanes = _mm256_castsi256_ps(first_lanes(n - i));
    largest = _mm256_max_ps(largest, _mm256_blendv_ps(lowest, load_first(x + i, n - i), lanes));
  }
  return max_lanes(largest);
}

float log_sum_exp(const float* x, size_t n) {
  const float largest = max_of(x, n);
  const __m256 shift = _mm256_set1_ps(largest);
  __m256 sum = _mm256_setzero_ps();
  for (size_t i = 0; i < n; i += 8) {
    const __m256 lanes = _mm256_castsi256_ps(first_lanes(n - i));
    const __m256 v = exp_ps(_mm256_sub_ps(load_first(x + i, n - i), shift));
    sum = _mm256_add_ps(sum, _mm256_and_ps(v, lanes));
  }
  return largest + __builtin_logf(sum_lanes(sum));
}

}  // namespace
}  // namespace pith
