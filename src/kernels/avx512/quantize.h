// Activations to 8 bits.
#pragma once

#include "kernels/avx512/vector.h"

namespace pith {
namespace {

// Quantises 32 floats that are already in two vectors; returns the 32 bytes.
PITH_INLINE __m256i to_int8(__m512 a, __m512 b, __m512 inverse) {
  const __m128i low = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(a, inverse)));
  const __m128i high = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(b, inverse)));
  return _mm256_set_m128i(high, low);
}

PITH_INLINE int sum_bytes(__m128i bytes) {
  return _mm512_reduce_add_epi32(_mm512_cvtepi8_epi32(bytes));
}

void quantize_super(const float* x, size_t n, const PanelRow& row) {
  const QuantizedRows& a = row.panel;
  for (size_t s = 0; s < n / kSuperInputs; ++s, x += kSuperInputs) {
    __m512 largest = _mm512_setzero_ps();
    for (int i = 0; i < kSuperInputs; i += 16) {
      largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_loadu_ps(x + i)));
    }
    const float max = _mm512_reduce_max_ps(largest);
    const __m512 inverse = _mm512_set1_ps(max > kNoActivation ? 127.0f / max : 0.0f);
    a.scales[s * row.rows + row.index] = max / 127.0f;
    for (size_t b = 0; b < 8; ++b) {
      const __m256i q =
          to_int8(_mm512_loadu_ps(x + b * 32), _mm512_loadu_ps(x + b * 32 + 16), inverse);
      const size_t cell = (s * 8 + b) * row.rows + row.index;
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(a.q + cell * 32), q);
      const int low = sum_bytes(_mm256_castsi256_si128(q));
      const int high = sum_bytes(_mm256_extracti128_si256(q, 1));
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
  for (size_t b = 0; b < n / kBlockInputs; ++b) {
    const __m512 low = _mm512_loadu_ps(x + b * 32);
    const __m512 high = _mm512_loadu_ps(x + b * 32 + 16);
    const float max = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
    const __m256i q = to_int8(low, high, _mm512_set1_ps(max > kNoActivation ? 127.0f / max : 0.0f));
    const size_t cell = b * row.rows + row.index;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(a.q + cell * 32), q);
    const int sum =
        sum_bytes(_mm256_castsi256_si128(q)) + sum_bytes(_mm256_extracti128_si256(q, 1));
    a.scales[cell] = max / 127.0f;
    a.neg_sums[cell] = -sum;
    a.scaled_sums[cell] = a.scales[cell] * static_cast<float>(sum);
  }
}

}  // namespace
}  // namespace pith
