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

// The sums of 32 bytes over 8, in 64 bits each.
PITH_INLINE __m256i sums_over_8(__m256i q) {
  // Of bytes + 128, so that they are unsigned.
  const __m256i sums =
      _mm256_sad_epu8(_mm256_xor_si256(q, _mm256_set1_epi8(-128)), _mm256_setzero_si256());
  return _mm256_sub_epi64(sums, _mm256_set1_epi64x(8 * 128));
}

// Those of neighbours, twice.
PITH_INLINE __m256i add_pairs(__m256i sums) {
  return _mm256_add_epi64(sums, _mm256_shuffle_epi32(sums, 0x4e));
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
      const __m256i sums8 = sums_over_8(q);
      const __m256i sums = add_pairs(sums8);
      _mm_storel_epi64(reinterpret_cast<__m128i*>(a.neg_sums8 + 4 * cell),
                       _mm256_cvtepi64_epi16(
                           _mm256_slli_epi64(_mm256_sub_epi64(_mm256_setzero_si256(), sums8), 5)));
      const auto low = static_cast<int>(_mm256_extract_epi64(sums, 0));
      const auto high = static_cast<int>(_mm256_extract_epi64(sums, 2));
      a.sums16[2 * cell] = static_cast<int16_t>(low);
      a.sums16[2 * cell + 1] = static_cast<int16_t>(high);
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
    const __m256i sums = add_pairs(sums_over_8(q));
    const auto sum =
        static_cast<int>(_mm256_extract_epi64(sums, 0) + _mm256_extract_epi64(sums, 2));
    a.scales[cell] = max / 127.0f;
    a.neg_sums[cell] = -sum;
    a.scaled_sums[cell] = a.scales[cell] * static_cast<float>(sum);
  }
}

}  // namespace
}  // namespace pith
