// AVX-512 with VNNI. No standard library here (see ../CMakeLists.txt).
#include "kernels/kernels.h"

#include <immintrin.h>

namespace pith {
namespace {

#define PITH_INLINE inline __attribute__((always_inline))

// A prefetch this far ahead of the weights covers the latency of memory at the
// rate one core reads; measured, see docs/performance.md.
constexpr size_t kPrefetchBytes = 4096;

PITH_INLINE __m512i load(const void* p) { return _mm512_loadu_si512(p); }

PITH_INLINE __m512 load_half16(const uint8_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

// Four neighbouring activations, to all 16 outputs.
PITH_INLINE __m512i broadcast4(const void* p) {
  int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return _mm512_set1_epi32(four);
}

// Dot products of 16 outputs' weights (4 or 8 vectors) with 16 or 32 activations.
PITH_INLINE __m512i dot4(__m512i dot, const __m512i* w, const int8_t* q) {
  for (int j = 0; j < 4; ++j) dot = _mm512_dpbusd_epi32(dot, w[j], broadcast4(q + 4 * j));
  return dot;
}
PITH_INLINE __m512i dot8(__m512i dot, const __m512i* w, const int8_t* q) {
  return dot4(dot4(dot, w, q), w + 4, q + 16);
}

// The 32 stored weights of 16 outputs as 8 vectors of bytes (tensor/packed.h).
template <int Bits>
PITH_INLINE void unpack(const uint8_t* p, __m512i w[8]) {
  if constexpr (Bits == 8) {
    for (int j = 0; j < 8; ++j) w[j] = load(p + 64 * j);
    return;
  }
  if constexpr (Bits >= 4) {
    const __m512i nibble = _mm512_set1_epi8(15);
    for (int j = 0; j < 4; ++j) {
      const __m512i both = load(p + 64 * j);
      w[j] = _mm512_and_si512(both, nibble);
      w[j + 4] = _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble);
    }
  }
  if constexpr (Bits == 5) {
    const __m512i high = load(p + 256);
    const __m512i sixteen = _mm512_set1_epi8(16);
    for (int j = 0; j < 8; ++j) {
      const __m512i shifted =
          j <= 4 ? _mm512_slli_epi16(high, 4 - j) : _mm512_srli_epi16(high, j - 4);
      w[j] = _mm512_ternarylogic_epi32(w[j], shifted, sixteen, 0xf8);  // w | (shifted & 16)
    }
  }
  if constexpr (Bits == 6) {
    const __m512i mask = _mm512_set1_epi8(0x30);
    for (int j = 0; j < 8; ++j) {
      const __m512i high = load(p + 256 + 64 * (j / 4));
      const int at = j % 4 * 2;
      const __m512i shifted =
          at <= 4 ? _mm512_slli_epi16(high, 4 - at) : _mm512_srli_epi16(high, at - 4);
      w[j] = _mm512_ternarylogic_epi32(w[j], shifted, mask, 0xf8);
    }
  }
  if constexpr (Bits == 2) {
    const __m512i mask = _mm512_set1_epi8(3);
    for (int j = 0; j < 8; ++j) {
      w[j] = _mm512_and_si512(_mm512_srli_epi16(load(p + 64 * (j / 4)), j % 4 * 2), mask);
    }
  }
}

template <int Lines>
PITH_INLINE void prefetch(const uint8_t* p) {
  for (int line = 0; line < Lines; ++line)
    _mm_prefetch(p + kPrefetchBytes + 64 * line, _MM_HINT_T0);
}

// One tile against a panel of Rows rows whose first is row `first` of the step.
template <PackedFormat F, int Rows>
PITH_INLINE void super_tile(const uint8_t* tile, const MatmulArgs& args, size_t first,
                            __m512* acc) {
  constexpr PackedFormatInfo info = packed_info(F);
  constexpr int groups = kSuperInputs / info.group;
  const size_t n = args.inputs;
  const QuantizedRows& a = args.quantized;
  const int8_t* q = a.q + first * n;
  const float* row_scales = a.scales + first * (n / kSuperInputs);
  const int32_t* neg_sums = a.neg_sums + first * (n / 16);
  const int16_t* sums = (info.group == 16 ? a.sums16 : a.sums32) + first * (n / info.group);
  for (int m = 0; m < Rows; ++m) acc[m] = _mm512_setzero_ps();
  for (size_t s = 0; s < n / kSuperInputs; ++s, tile += super_bytes(F)) {
    const uint8_t* scales = tile + 64;
    const uint8_t* weights = tile + super_header_bytes(F);
    __m512i scaled[Rows];
    for (int m = 0; m < Rows; ++m) scaled[m] = _mm512_setzero_si512();
    for (int b = 0; b < kSuperInputs / kBlockInputs; ++b) {
      __m512i w[8];
      prefetch<static_cast<int>(block_bytes(F) / 64)>(weights);
      unpack<info.bits>(weights, w);
      weights += block_bytes(F);
      if constexpr (info.group == 32) {
        const __m512i scale =
            _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(scales)));
        scales += kTileOutputs;
#pragma GCC unroll 16
        for (int m = 0; m < Rows; ++m) {
          const __m512i dot = dot8(_mm512_setzero_si512(), w, q + m * 32);
          scaled[m] = _mm512_add_epi32(scaled[m], _mm512_mullo_epi32(dot, scale));
        }
      } else {
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
          const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(scales));
          scales += kTileOutputs;
          const __m512i scale =
              info.has_min ? _mm512_cvtepu8_epi32(bytes) : _mm512_cvtepi8_epi32(bytes);
#pragma GCC unroll 16
          for (int m = 0; m < Rows; ++m) {
            const __m512i start =
                info.offset ? _mm512_set1_epi32(neg_sums[m]) : _mm512_setzero_si512();
            const __m512i dot = dot4(start, w + 4 * half, q + m * 32 + 16 * half);
            scaled[m] = _mm512_add_epi32(scaled[m], _mm512_mullo_epi32(dot, scale));
          }
          neg_sums += Rows;
        }
      }
      q += Rows * kBlockInputs;
    }
    const __m512 d = load_half16(tile);
    for (int m = 0; m < Rows; ++m) {
      __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(scaled[m]), d);
      if constexpr (info.has_min) {
        __m512i minimum = _mm512_setzero_si512();
        for (int pair = 0; pair < groups / 2; ++pair) {
          const __m512i min16 = _mm512_cvtepu8_epi16(_mm256_loadu_si256(
              reinterpret_cast<const __m256i*>(scales + pair * 2 * kTileOutputs)));
          minimum = _mm512_dpwssd_epi32(minimum, min16, broadcast4(sums + (pair * Rows + m) * 2));
        }
        value = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(minimum), load_half16(tile + 32), value);
      }
      acc[m] = _mm512_fmadd_ps(value, _mm512_set1_ps(row_scales[m]), acc[m]);
    }
    sums += groups * Rows;
    row_scales += Rows;
  }
}

template <PackedFormat F, int Rows>
PITH_INLINE void simple_tile(const uint8_t* tile, const MatmulArgs& args, size_t first,
                             __m512* acc) {
  constexpr PackedFormatInfo info = packed_info(F);
  constexpr int offset_shift = info.offset == 8 ? 3 : info.offset == 16 ? 4 : 7;
  const size_t blocks = args.inputs / kBlockInputs;
  const uint8_t* minimums = tile + simple_column_bytes(args.inputs);
  const uint8_t* weights = tile + simple_header_bytes(F, args.inputs);
  const QuantizedRows& a = args.quantized;
  const int8_t* q = a.q + first * args.inputs;
  size_t cell = first * blocks;
  __m512 sum[Rows];
  for (int m = 0; m < Rows; ++m) sum[m] = _mm512_setzero_ps();
  for (size_t b = 0; b < blocks; ++b) {
    __m512i w[8];
    prefetch<static_cast<int>(block_bytes(F) / 64)>(weights);
    unpack<info.bits>(weights, w);
    weights += block_bytes(F);
    const __m512 weight_scale = load_half16(tile + b * 2 * kTileOutputs);
    __m512 minimum;
    if constexpr (info.has_min) minimum = load_half16(minimums + b * 2 * kTileOutputs);
    const int32_t* neg_sums = a.neg_sums + cell;
    const float* scales = a.scales + cell;
    const float* scaled_sums = a.scaled_sums + cell;
#pragma GCC unroll 16
    for (int m = 0; m < Rows; ++m) {
      const __m512i start = info.offset
                                ? _mm512_slli_epi32(_mm512_set1_epi32(neg_sums[m]), offset_shift)
                                : _mm512_setzero_si512();
      const __m512i dot = dot8(start, w, q + m * 32);
      const __m512 scale = _mm512_mul_ps(weight_scale, _mm512_set1_ps(scales[m]));
      sum[m] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), scale, sum[m]);
      if constexpr (info.has_min) {
        sum[m] = _mm512_fmadd_ps(minimum, _mm512_set1_ps(scaled_sums[m]), sum[m]);
      }
    }
    q += Rows * kBlockInputs;
    cell += Rows;
  }
  for (int m = 0; m < Rows; ++m) acc[m] = sum[m];
}

template <PackedFormat F>
PITH_INLINE __m512 load_weights(const uint8_t* p) {
  if constexpr (F == PackedFormat::f32) return _mm512_loadu_ps(p);
  if constexpr (F == PackedFormat::f16) return load_half16(p);
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

template <PackedFormat F, int Rows>
PITH_INLINE void float_tile(const uint8_t* tile, const MatmulArgs& args, size_t first,
                            __m512* acc) {
  constexpr size_t vector_bytes = static_cast<size_t>(packed_info(F).bits) * kTileOutputs / 8;
  const float* x[Rows];
  __m512 sum[Rows];
  for (int m = 0; m < Rows; ++m) {
    x[m] = args.floats + (first + m) * args.inputs;
    sum[m] = _mm512_setzero_ps();
  }
  for (size_t i = 0; i < args.inputs; ++i) {
    const __m512 w = load_weights<F>(tile + i * vector_bytes);
    for (int m = 0; m < Rows; ++m) sum[m] = _mm512_fmadd_ps(w, _mm512_set1_ps(x[m][i]), sum[m]);
  }
  for (int m = 0; m < Rows; ++m) acc[m] = sum[m];
}

// One tile against the panel of Rows rows that starts at row `first`.
template <PackedFormat F, int Rows>
void tile_panel(const MatmulArgs& args, size_t t, size_t first) {
  const uint8_t* tile = args.tiles + t * tile_bytes(F, args.inputs);
  __m512 acc[Rows];
  if constexpr (is_super(F))
    super_tile<F, Rows>(tile, args, first, acc);
  else if constexpr (is_float(F))
    float_tile<F, Rows>(tile, args, first, acc);
  else
    simple_tile<F, Rows>(tile, args, first, acc);
  const size_t left = args.outputs - t * kTileOutputs;
  const auto mask = static_cast<__mmask16>(left >= 16 ? 0xffff : (1u << left) - 1);
  for (size_t m = 0; m < Rows; ++m) {
    float* out = args.out + (first + m) * args.out_stride + t * kTileOutputs;
    const __m512 value =
        args.accumulate ? _mm512_add_ps(_mm512_maskz_loadu_ps(mask, out), acc[m]) : acc[m];
    _mm512_mask_storeu_ps(out, mask, value);
  }
}

template <PackedFormat F>
void matmul(const MatmulArgs& args) {
  using TilePanel = void (*)(const MatmulArgs&, size_t, size_t);
  static constexpr TilePanel kernels[kPanelRows] = {
      tile_panel<F, 1>,  tile_panel<F, 2>,  tile_panel<F, 3>,  tile_panel<F, 4>,
      tile_panel<F, 5>,  tile_panel<F, 6>,  tile_panel<F, 7>,  tile_panel<F, 8>,
      tile_panel<F, 9>,  tile_panel<F, 10>, tile_panel<F, 11>, tile_panel<F, 12>,
      tile_panel<F, 13>, tile_panel<F, 14>, tile_panel<F, 15>, tile_panel<F, 16>};
  // So many tiles stay in the L2 cache while all panels pass over them.
  constexpr size_t kCacheBytes = 384 * 1024;
  const size_t bytes = tile_bytes(F, args.inputs);
  const size_t step = bytes < kCacheBytes ? kCacheBytes / bytes : 1;
  for (size_t t0 = args.first_tile; t0 < args.end_tile; t0 += step) {
    const size_t t1 = t0 + step < args.end_tile ? t0 + step : args.end_tile;
    for (size_t p = 0; p < panel_count(args.rows); ++p) {
      const size_t first = panel_begin(args.rows, p);
      const size_t rows = panel_begin(args.rows, p + 1) - first;
      for (size_t t = t0; t < t1; ++t) kernels[rows - 1](args, t, first);
    }
  }
}

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

// The lanes of a last, partial vector of n elements (n < 16).
PITH_INLINE __mmask16 first(size_t n) { return static_cast<__mmask16>((1u << n) - 1); }

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

// ---- attention over one KV block --------------------------------------------

PITH_INLINE __m512 load_cache(const float* p) { return _mm512_loadu_ps(p); }
PITH_INLINE __m512 load_cache(const uint16_t* p) {
  return load_half16(reinterpret_cast<const uint8_t*>(p));
}
PITH_INLINE __m512 load_cache(const int8_t* p) {
  return _mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
PITH_INLINE __m512 load_cache(const float* p, __mmask16 mask) {
  return _mm512_maskz_loadu_ps(mask, p);
}
PITH_INLINE __m512 load_cache(const uint16_t* p, __mmask16 mask) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, p));
}
PITH_INLINE __m512 load_cache(const int8_t* p, __mmask16 mask) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, p)));
}

// Keys [D, 64] to floats, scaled per position.
template <class Element>
void widen_keys(const AttendArgs& args, size_t positions, float* out) {
  const auto* keys = static_cast<const Element*>(args.keys);
  for (size_t j = 0; j < positions; j += 16) {
    const __m512 scale = args.key_scales ? _mm512_loadu_ps(args.key_scales + j) : _mm512_set1_ps(1);
    for (size_t d = 0; d < args.head_size; ++d) {
      const __m512 v = load_cache(keys + d * kKvBlock + j);
      _mm512_storeu_ps(out + d * kKvBlock + j, args.key_scales ? _mm512_mul_ps(v, scale) : v);
    }
  }
}

// Values [64, D] to floats [64, stride], scaled per position.
template <class Element>
void widen_values(const AttendArgs& args, size_t positions, size_t stride, float* out) {
  const auto* values = static_cast<const Element*>(args.values);
  for (size_t j = 0; j < positions; ++j) {
    const __m512 scale = _mm512_set1_ps(args.value_scales ? args.value_scales[j] : 1.0f);
    for (size_t d = 0; d < args.head_size; d += 16) {
      const size_t left = args.head_size - d;
      const __m512 v = left < 16 ? load_cache(values + j * args.head_size + d, first(left))
                                 : load_cache(values + j * args.head_size + d);
      _mm512_storeu_ps(out + j * stride + d, args.value_scales ? _mm512_mul_ps(v, scale) : v);
    }
  }
}

// c[m, 0..16 Vectors) (+)= sum over k of a[m, k] * b[k, .] for Rows rows; k ascending.
template <int Rows, int Vectors>
PITH_INLINE void product(const float* a, size_t a_stride, const float* b, size_t b_stride,
                         size_t depth, float* c, size_t c_stride, bool accumulate, __mmask16 last) {
  __m512 acc[Rows][Vectors];
  for (int m = 0; m < Rows; ++m) {
    for (int v = 0; v < Vectors; ++v) {
      acc[m][v] = accumulate ? _mm512_maskz_loadu_ps(v == Vectors - 1 ? last : 0xffff,
                                                     c + m * c_stride + 16 * v)
                             : _mm512_setzero_ps();
    }
  }
  for (size_t k = 0; k < depth; ++k) {
    __m512 row[Vectors];
    for (int v = 0; v < Vectors; ++v) row[v] = _mm512_loadu_ps(b + k * b_stride + 16 * v);
    for (int m = 0; m < Rows; ++m) {
      const __m512 x = _mm512_set1_ps(a[m * a_stride + k]);
      for (int v = 0; v < Vectors; ++v) acc[m][v] = _mm512_fmadd_ps(x, row[v], acc[m][v]);
    }
  }
  for (int m = 0; m < Rows; ++m) {
    for (int v = 0; v < Vectors; ++v) {
      _mm512_mask_storeu_ps(c + m * c_stride + 16 * v, v == Vectors - 1 ? last : 0xffff, acc[m][v]);
    }
  }
}

template <int Vectors>
void product_rows(size_t rows, const float* a, size_t a_stride, const float* b, size_t b_stride,
                  size_t depth, float* c, size_t c_stride, bool accumulate, __mmask16 last) {
  size_t m = 0;
  for (; m + 6 <= rows; m += 6) {  // 6 x 4 sums, 4 loads, 1 broadcast: 29 of 32 registers
    product<6, Vectors>(a + m * a_stride, a_stride, b, b_stride, depth, c + m * c_stride, c_stride,
                        accumulate, last);
  }
  for (; m + 3 <= rows; m += 3) {
    product<3, Vectors>(a + m * a_stride, a_stride, b, b_stride, depth, c + m * c_stride, c_stride,
                        accumulate, last);
  }
  for (; m < rows; ++m) {
    product<1, Vectors>(a + m * a_stride, a_stride, b, b_stride, depth, c + m * c_stride, c_stride,
                        accumulate, last);
  }
}

// c [rows, columns] (+)= a [rows, depth] x b [depth, columns]; b has whole vectors.
void product_all(size_t rows, size_t columns, const float* a, size_t a_stride, const float* b,
                 size_t b_stride, size_t depth, float* c, size_t c_stride, bool accumulate) {
  for (size_t n = 0; n < columns; n += 64) {
    const size_t left = columns - n < 64 ? columns - n : 64;
    const __mmask16 last = left % 16 ? first(left % 16) : static_cast<__mmask16>(0xffff);
    const float* bn = b + n;
    float* cn = c + n;
    switch ((left + 15) / 16) {
      case 1:
        product_rows<1>(rows, a, a_stride, bn, b_stride, depth, cn, c_stride, accumulate, last);
        break;
      case 2:
        product_rows<2>(rows, a, a_stride, bn, b_stride, depth, cn, c_stride, accumulate, last);
        break;
      case 3:
        product_rows<3>(rows, a, a_stride, bn, b_stride, depth, cn, c_stride, accumulate, last);
        break;
      default:
        product_rows<4>(rows, a, a_stride, bn, b_stride, depth, cn, c_stride, accumulate, last);
        break;
    }
  }
}

// Turns the scores of one query into weights and rescales its state.
PITH_INLINE void softmax_update(float* scores, size_t visible, float* max, float* sum, float* out,
                                size_t head_size) {
  __m512 v[4];
  __m512 largest = _mm512_set1_ps(*max);
  for (size_t i = 0; i < 4; ++i) {
    const size_t at = 16 * i;
    const __mmask16 mask = visible >= at + 16 ? 0xffff : visible > at ? first(visible - at) : 0;
    v[i] = _mm512_mask_loadu_ps(_mm512_set1_ps(-__builtin_inff()), mask, scores + at);
    largest = _mm512_max_ps(largest, v[i]);
  }
  const float new_max = _mm512_reduce_max_ps(largest);
  const __m512 shift = _mm512_set1_ps(new_max);
  __m512 total = _mm512_setzero_ps();
  for (int i = 0; i < 4; ++i) {
    v[i] = exp_ps(_mm512_sub_ps(v[i], shift));
    total = _mm512_add_ps(total, v[i]);
    _mm512_storeu_ps(scores + 16 * i, v[i]);
  }
  const __m512 correction = exp_ps(_mm512_set1_ps(*max - new_max));
  if (new_max != *max) {
    for (size_t d = 0; d < head_size; d += 16) {
      const __mmask16 mask =
          head_size - d < 16 ? first(head_size - d) : static_cast<__mmask16>(0xffff);
      const __m512 o = _mm512_maskz_loadu_ps(mask, out + d);
      _mm512_mask_storeu_ps(out + d, mask, _mm512_mul_ps(o, correction));
    }
  }
  *sum = *sum * _mm512_cvtss_f32(correction) + _mm512_reduce_add_ps(total);
  *max = new_max;
}

template <class Element>
void attend(const AttendArgs& args) {
  const size_t size = args.head_size;
  const size_t stride = (size + 15) / 16 * 16;
  float* keys = args.scratch;
  float* values = keys + stride * kKvBlock;
  float* scores = values + stride * kKvBlock;
  size_t seen = 0;  // positions that any query sees; the others may hold anything
  for (size_t m = 0; m < args.queries; ++m) {
    const auto visible = static_cast<size_t>(args.visible[m]);
    if (visible > seen) seen = visible;
  }
  const size_t positions = (seen + 15) / 16 * 16;
  widen_keys<Element>(args, positions, keys);
  widen_values<Element>(args, seen, stride, values);
  product_all(args.queries, positions, args.q, size, keys, kKvBlock, size, scores, kKvBlock, false);
  for (size_t m = 0; m < args.queries; ++m) {
    float* row = scores + m * kKvBlock;
    if (args.visible[m] == 0) {
      for (size_t j = 0; j < positions; j += 16) _mm512_storeu_ps(row + j, _mm512_setzero_ps());
      continue;
    }
    softmax_update(row, static_cast<size_t>(args.visible[m]), args.max + m, args.sum + m,
                   args.out + m * size, size);
  }
  product_all(args.queries, size, scores, kKvBlock, values, stride, seen, args.out, size, true);
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

const Kernels kAvx512Kernels = {
    .isa = Isa::avx512,
    .matmul = {matmul<PackedFormat::k2m>, matmul<PackedFormat::k4m>, matmul<PackedFormat::k5m>,
               matmul<PackedFormat::k6>, matmul<PackedFormat::s4>, matmul<PackedFormat::s4m>,
               matmul<PackedFormat::s5>, matmul<PackedFormat::s5m>, matmul<PackedFormat::s8>,
               matmul<PackedFormat::f32>, matmul<PackedFormat::f16>, matmul<PackedFormat::bf16>},
    .quantize_super = quantize_super,
    .quantize_simple = quantize_simple,
    .rms_norm = rms_norm,
    .silu_mul = silu_mul,
    .add = add,
    .rope = rope,
    .attend_f32 = attend<float>,
    .attend_f16 = attend<uint16_t>,
    .attend_int8 = attend<int8_t>,
    .to_half = to_half,
    .max = max_of,
    .log_sum_exp = log_sum_exp,
};

}  // namespace pith
