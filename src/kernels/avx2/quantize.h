// Activations to 8 bits.
#pragma once

#include "kernels/avx2/vector.h"

namespace pith {
namespace {

// The largest magnitude of n floats, a multiple of 32.
PITH_INLINE float largest_of(const float* x, size_t n) {
  __m256 largest[4] = {};
  for (size_t i = 0; i < n; i += 32) {
    for (int v = 0; v < 4; ++v) {
      largest[v] = _mm256_max_ps(largest[v], abs_ps(_mm256_loadu_ps(x + i + 8 * v)));
    }
  }
  return max_lanes(
      _mm256_max_ps(_mm256_max_ps(largest[0], largest[1]), _mm256_max_ps(largest[2], largest[3])));
}

// 32 floats times `inverse`, rounded to nearest even. Writes the bytes; returns their sums
// over 8.
PITH_INLINE __m256i quantize_block(const float* x, float inverse, int8_t* q) {
  const __m256 factor = _mm256_set1_ps(inverse);
  __m256i v[4];
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), factor));
  }
  // Packing works within halves of 128 bits: bytes come out as 4-byte pieces of
  // v0 v1 v2 v3 (low halves), v0 v1 v2 v3 (high halves).
  const __m256i words_low = _mm256_packs_epi32(v[0], v[1]);
  const __m256i words_high = _mm256_packs_epi32(v[2], v[3]);
  const __m256i mixed = _mm256_packs_epi16(words_low, words_high);
  const __m256i bytes =
      _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  store(q, bytes);
  // Of bytes + 128, so that they are unsigned.
  const __m256i sums =
      _mm256_sad_epu8(_mm256_xor_si256(bytes, _mm256_set1_epi8(-128)), _mm256_setzero_si256());
  return _mm256_sub_epi64(sums, _mm256_set1_epi64x(8 * 128));
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
      int64_t sums[4];
      store(sums, quantize_block(x + b * 32, inverse, a.q + cell * 32));
      for (size_t i = 0; i < 4; ++i) {
        a.neg_sums8[4 * cell + i] = static_cast<int16_t>(-32 * sums[i]);
      }
      const int64_t low = sums[0] + sums[1];
      const int64_t high = sums[2] + sums[3];
      a.sums16[2 * cell] = static_cast<int16_t>(low);
      a.sums16[2 * cell + 1] = static_cast<int16_t>(high);
      const size_t pair = (s * 4 + b / 2) * row.rows + row.index;
      a.sums32[2 * pair + b % 2] = static_cast<int16_t>(low + high);
    }
  }
}

void quantize_simple(const float* x, size_t n, const PanelRow& row) {
  const QuantizedRows& a = row.panel;
  for (size_t b = 0; b < n / kBlockInputs; ++b, x += kBlockInputs) {
    const float max = largest_of(x, kBlockInputs);
    const size_t cell = b * row.rows + row.index;
    int64_t sums[4];
    store(sums, quantize_block(x, inverse_of(max), a.q + cell * 32));
    const auto sum = static_cast<int>(sums[0] + sums[1] + sums[2] + sums[3]);
    a.scales[cell] = max / 127.0f;
    a.neg_sums[cell] = -sum;
    a.scaled_sums[cell] = a.scales[cell] * static_cast<float>(sum);
  }
}

}  // namespace
}  // namespace pith
