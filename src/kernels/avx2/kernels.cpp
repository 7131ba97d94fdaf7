// AVX2, FMA and F16C. No standard library here (see ../CMakeLists.txt).
//
// A tile's 16 outputs are two vectors of 8. A chunk of 256 inputs is unpacked to
// the stack once per panel; then up to 4 rows at a time pass over it, so that a
// weight vector is loaded once for 4 rows and all sums stay in registers.
#include "kernels/kernels.h"

#include <immintrin.h>

namespace pith {
namespace {

#define PITH_INLINE inline __attribute__((always_inline))

// As far ahead of the weights as in ../avx512.
constexpr size_t kPrefetchBytes = 4096;

constexpr int kGroupRows = 4;  // 8 sums of 16 bits, 2 weights, an activation, 2 products: 13 of 16
constexpr int kChunkBlocks = kSuperInputs / kBlockInputs;

PITH_INLINE __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
PITH_INLINE __m128i load128(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
PITH_INLINE void store(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
PITH_INLINE __m256 load_half8(const void* p) { return _mm256_cvtph_ps(load128(p)); }

// Four neighbouring activations (or two sums), to 8 outputs.
PITH_INLINE __m256i broadcast4(const void* p) {
  int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return _mm256_set1_epi32(four);
}

// ---- matmul -------------------------------------------------------------------

// The block that will be read a little later; a plane of one bit is a cache line.
template <int Bits>
PITH_INLINE void prefetch(const uint8_t* p) {
  for (int line = 0; line < Bits; ++line) {
    _mm_prefetch(p + kPrefetchBytes + 64 * line, _MM_HINT_T0);
  }
}

// The 32 stored weights of 16 outputs as 8 x 64 bytes (tensor/packed.h).
template <int Bits>
PITH_INLINE void unpack_block(const uint8_t* p, uint8_t* out) {
  prefetch<Bits>(p);
#pragma GCC unroll 2
  for (int half = 0; half < 64; half += 32) {
    __m256i w[8] = {};
    if constexpr (Bits >= 4) {
      const __m256i nibble = _mm256_set1_epi8(15);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const __m256i both = load(p + 64 * j + half);
        w[j] = _mm256_and_si256(both, nibble);
        w[j + 4] = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
      }
    }
    if constexpr (Bits == 5) {
      const __m256i high = load(p + 256 + half);
      const __m256i sixteen = _mm256_set1_epi8(16);
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) {
        const __m256i shifted =
            j <= 4 ? _mm256_slli_epi16(high, 4 - j) : _mm256_srli_epi16(high, j - 4);
        w[j] = _mm256_or_si256(w[j], _mm256_and_si256(shifted, sixteen));
      }
    }
    if constexpr (Bits == 6) {
      const __m256i mask = _mm256_set1_epi8(0x30);
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) {
        const __m256i high = load(p + 256 + 64 * (j / 4) + half);
        const int at = j % 4 * 2;
        const __m256i shifted =
            at <= 4 ? _mm256_slli_epi16(high, 4 - at) : _mm256_srli_epi16(high, at - 4);
        w[j] = _mm256_or_si256(w[j], _mm256_and_si256(shifted, mask));
      }
    }
    if constexpr (Bits == 2) {
      const __m256i mask = _mm256_set1_epi8(3);
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) {
        w[j] = _mm256_and_si256(_mm256_srli_epi16(load(p + 64 * (j / 4) + half), j % 4 * 2), mask);
      }
    }
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) store(out + 64 * j + half, w[j]);
  }
}

// maddubs adds two products of a weight and an activation (|a| <= 127) to 16 bits;
// so many of them can be added before the sum could pass 32767:
//   4 bits: 15 * 127 * 2 * 8 = 30480, 5 bits: 31 * 127 * 2 * 4 = 31496,
//   6 bits: 63 * 127 * 2 * 2 = 32004, 2 bits: far more than the 8 of a block.
constexpr int run_length(int bits) { return bits <= 4 ? 8 : bits == 5 ? 4 : 2; }

// Sums of 16 bits over the weight vectors [begin, begin + Run) of a block: two
// partial sums per output. q is the first row's activations of the block.
template <int Run, int Rows>
PITH_INLINE void sum_run(const uint8_t* w, const int8_t* q, int begin, __m256i sum[Rows][2]) {
#pragma GCC unroll 8
  for (int j = begin; j < begin + Run; ++j) {
    const __m256i w0 = load(w + 64 * j);
    const __m256i w1 = load(w + 64 * j + 32);
#pragma GCC unroll 4
    for (int m = 0; m < Rows; ++m) {
      const __m256i x = broadcast4(q + m * kBlockInputs + 4 * j);
      const __m256i p0 = _mm256_maddubs_epi16(w0, x);
      const __m256i p1 = _mm256_maddubs_epi16(w1, x);
      sum[m][0] = j == begin ? p0 : _mm256_add_epi16(sum[m][0], p0);
      sum[m][1] = j == begin ? p1 : _mm256_add_epi16(sum[m][1], p1);
    }
  }
}

// A super block of a tile, ready to be multiplied.
template <PackedFormat F>
struct SuperChunk {
  static constexpr PackedFormatInfo info = packed_info(F);
  static constexpr int groups = kSuperInputs / info.group;
  alignas(32) uint8_t weights[kSuperInputs * kTileOutputs];
  // Each output's scale twice: for its two partial sums.
  alignas(32) int16_t scales[groups][kTileOutputs][2];
  // What multiplies the sums of activations, by pairs of groups: minimums, or for
  // formats with an offset the scales again.
  alignas(32) int16_t sum_factors[groups / 2][kTileOutputs][2];

  PITH_INLINE explicit SuperChunk(const uint8_t* tile) {
    const uint8_t* packed_scales = tile + 64;
    const uint8_t* minimums = packed_scales + groups * kTileOutputs;
    for (int g = 0; g < groups; ++g) {
      const __m128i bytes = load128(packed_scales + g * kTileOutputs);
      store(scales[g][0], widen(_mm_unpacklo_epi8(bytes, bytes)));
      store(scales[g][8], widen(_mm_unpackhi_epi8(bytes, bytes)));
    }
    for (int pair = 0; pair < groups / 2; ++pair) {
      if constexpr (info.has_min) {
        store(sum_factors[pair][0], widen(load128(minimums + pair * 32)));
        store(sum_factors[pair][8], widen(load128(minimums + pair * 32 + 16)));
      } else {
        const __m128i even = load128(packed_scales + pair * 32);
        const __m128i odd = load128(packed_scales + pair * 32 + 16);
        store(sum_factors[pair][0], widen(_mm_unpacklo_epi8(even, odd)));
        store(sum_factors[pair][8], widen(_mm_unpackhi_epi8(even, odd)));
      }
    }
    const uint8_t* packed = tile + super_header_bytes(F);
    for (int b = 0; b < kChunkBlocks; ++b) {
      unpack_block<info.bits>(packed + b * block_bytes(F),
                              weights + b * kBlockInputs * kTileOutputs);
    }
  }

 private:
  static PITH_INLINE __m256i widen(__m128i bytes) {
    return info.has_min ? _mm256_cvtepu8_epi16(bytes) : _mm256_cvtepi8_epi16(bytes);
  }
};

// Rows rows of a panel of `stride` rows; pointers are to the first of them and to
// the chunk's first inputs.
struct RowGroup {
  size_t stride;
  const int8_t* q;
  const float* scales;
  const int16_t* sums;         // super: of the format's groups, in pairs
  const int32_t* neg_sums;     // simple
  const float* scaled_sums;    // simple
  float (*acc)[kTileOutputs];  // [Rows, 16], the result so far
};

template <PackedFormat F, int Rows>
void super_rows(const SuperChunk<F>& chunk, const uint8_t* tile, const RowGroup& a) {
  constexpr PackedFormatInfo info = packed_info(F);
  constexpr int run =
      run_length(info.bits) < info.group / 4 ? run_length(info.bits) : info.group / 4;
  __m256i scaled[Rows][2] = {};
  const int8_t* q = a.q;
  const uint8_t* w = chunk.weights;
  for (int b = 0; b < kChunkBlocks; ++b, q += a.stride * kBlockInputs, w += 512) {
#pragma GCC unroll 4
    for (int begin = 0; begin < 8; begin += run) {
      __m256i sum[Rows][2];
      sum_run<run, Rows>(w, q, begin, sum);
      const int group = (b * kBlockInputs + begin * 4) / info.group;
      const __m256i scale0 = load(chunk.scales[group][0]);
      const __m256i scale1 = load(chunk.scales[group][8]);
#pragma GCC unroll 4
      for (int m = 0; m < Rows; ++m) {
        scaled[m][0] = _mm256_add_epi32(scaled[m][0], _mm256_madd_epi16(sum[m][0], scale0));
        scaled[m][1] = _mm256_add_epi32(scaled[m][1], _mm256_madd_epi16(sum[m][1], scale1));
      }
    }
  }
#pragma GCC unroll 4
  for (int m = 0; m < Rows; ++m) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      __m256i factor_sum = _mm256_setzero_si256();
      for (int pair = 0; pair < SuperChunk<F>::groups / 2; ++pair) {
        const __m256i sums = broadcast4(a.sums + (pair * a.stride + m) * 2);
        factor_sum = _mm256_add_epi32(
            factor_sum, _mm256_madd_epi16(load(chunk.sum_factors[pair][half * 8]), sums));
      }
      if constexpr (info.offset == 32) {  // sum (q - 32) a = sum q a - 32 sum a
        scaled[m][half] = _mm256_sub_epi32(scaled[m][half], _mm256_slli_epi32(factor_sum, 5));
      }
      const __m256 d = load_half8(tile + half * 16);
      __m256 value = _mm256_mul_ps(_mm256_cvtepi32_ps(scaled[m][half]), d);
      if constexpr (info.has_min) {
        const __m256 d_min = load_half8(tile + 32 + half * 16);
        value = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(factor_sum), d_min, value);
      }
      float* acc = a.acc[m] + half * 8;
      _mm256_store_ps(acc,
                      _mm256_fmadd_ps(value, _mm256_set1_ps(a.scales[m]), _mm256_load_ps(acc)));
    }
  }
}

// Dot products of a block of 32 inputs, without offset.
template <int Bits, int Rows>
PITH_INLINE void dot_block(const uint8_t* w, const int8_t* q, __m256i dot[Rows][2]) {
  constexpr int run = run_length(Bits);
  const __m256i ones = _mm256_set1_epi16(1);
#pragma GCC unroll 4
  for (int begin = 0; begin < 8; begin += run) {
    __m256i sum[Rows][2];
    sum_run<run, Rows>(w, q, begin, sum);
#pragma GCC unroll 4
    for (int m = 0; m < Rows; ++m) {
      for (int half = 0; half < 2; ++half) {
        const __m256i part = _mm256_madd_epi16(sum[m][half], ones);
        dot[m][half] = begin == 0 ? part : _mm256_add_epi32(dot[m][half], part);
      }
    }
  }
}

// The same for weights of 8 bits, stored + 128, as signed ones: |w| times a with
// w's sign. 128 * 127 * 2 = 32512: one maddubs fits 16 bits, no two.
template <int Rows>
PITH_INLINE void dot_block_s8(const uint8_t* stored, const int8_t* q, __m256i dot[Rows][2]) {
  const __m256i ones = _mm256_set1_epi16(1);
  const __m256i flip = _mm256_set1_epi8(-128);
  for (int m = 0; m < Rows; ++m) dot[m][0] = dot[m][1] = _mm256_setzero_si256();
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m256i w = _mm256_xor_si256(load(stored + 64 * j + 32 * half), flip);
      const __m256i magnitude = _mm256_abs_epi8(w);
#pragma GCC unroll 4
      for (int m = 0; m < Rows; ++m) {
        const __m256i x = broadcast4(q + m * kBlockInputs + 4 * j);
        const __m256i p = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(x, w));
        dot[m][half] = _mm256_add_epi32(dot[m][half], _mm256_madd_epi16(p, ones));
      }
    }
  }
}

// Up to kChunkBlocks blocks of an s format: `scales` and `minimums` are theirs.
template <PackedFormat F, int Rows>
void simple_rows(const uint8_t* w, const uint8_t* scales, const uint8_t* minimums, size_t blocks,
                 const RowGroup& a) {
  constexpr PackedFormatInfo info = packed_info(F);
  __m256 sum[Rows][2];
  for (int m = 0; m < Rows; ++m) {
    for (int half = 0; half < 2; ++half) sum[m][half] = _mm256_load_ps(a.acc[m] + half * 8);
  }
  for (size_t b = 0; b < blocks; ++b, w += 512) {
    const size_t cell = b * a.stride;
    __m256i dot[Rows][2];
    if constexpr (info.bits == 8) {
      dot_block_s8<Rows>(w, a.q + cell * kBlockInputs, dot);
    } else {
      dot_block<info.bits, Rows>(w, a.q + cell * kBlockInputs, dot);
    }
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m256 weight_scale = load_half8(scales + b * 32 + half * 16);
#pragma GCC unroll 4
      for (int m = 0; m < Rows; ++m) {
        __m256i whole = dot[m][half];
        if constexpr (info.offset == 8 || info.offset == 16) {  // sum (q - o) a = sum q a - o sum a
          const __m256i neg_sum = _mm256_set1_epi32(a.neg_sums[cell + m]);
          whole = _mm256_add_epi32(whole, _mm256_slli_epi32(neg_sum, info.offset == 8 ? 3 : 4));
        }
        const __m256 scale = _mm256_mul_ps(weight_scale, _mm256_set1_ps(a.scales[cell + m]));
        sum[m][half] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), scale, sum[m][half]);
        if constexpr (info.has_min) {
          sum[m][half] = _mm256_fmadd_ps(load_half8(minimums + b * 32 + half * 16),
                                         _mm256_set1_ps(a.scaled_sums[cell + m]), sum[m][half]);
        }
      }
    }
  }
  for (int m = 0; m < Rows; ++m) {
    for (int half = 0; half < 2; ++half) _mm256_store_ps(a.acc[m] + half * 8, sum[m][half]);
  }
}

// Calls f.template operator()<Rows>(m) for the rows of a panel in groups.
template <class F>
PITH_INLINE void for_row_groups(size_t rows, const F& f) {
  size_t m = 0;
  for (; m + kGroupRows <= rows; m += kGroupRows) f.template operator()<kGroupRows>(m);
  switch (rows - m) {
    case 1:
      return f.template operator()<1>(m);
    case 2:
      return f.template operator()<2>(m);
    case 3:
      return f.template operator()<3>(m);
    default:
      return;
  }
}

// One tile against a panel of `rows` rows whose first is row `first` of the step.
template <PackedFormat F>
void super_panel(const uint8_t* tile, const MatmulArgs& args, size_t first, size_t rows,
                 float (*acc)[kTileOutputs]) {
  constexpr size_t group = packed_info(F).group;
  const size_t n = args.inputs;
  const QuantizedRows& all = args.quantized;
  const int16_t* sums = (group == 16 ? all.sums16 : all.sums32) + first * n / group;
  for (size_t s = 0; s < n / kSuperInputs; ++s, tile += super_bytes(F)) {
    const SuperChunk<F> chunk(tile);
    for_row_groups(rows, [&]<int Rows>(size_t m) {
      RowGroup a{};
      a.stride = rows;
      a.q = all.q + first * n + (s * kChunkBlocks * rows + m) * kBlockInputs;
      a.scales = all.scales + first * (n / kSuperInputs) + s * rows + m;
      a.sums = sums + s * (kSuperInputs / group) * rows + 2 * m;
      a.acc = acc + m;
      super_rows<F, Rows>(chunk, tile, a);
    });
  }
}

template <PackedFormat F>
void simple_panel(const uint8_t* tile, const MatmulArgs& args, size_t first, size_t rows,
                  float (*acc)[kTileOutputs]) {
  constexpr int bits = packed_info(F).bits;
  const size_t blocks = args.inputs / kBlockInputs;
  const QuantizedRows& all = args.quantized;
  const uint8_t* minimums = tile + simple_column_bytes(args.inputs);
  const uint8_t* packed = tile + simple_header_bytes(F, args.inputs);
  alignas(32) uint8_t unpacked[kSuperInputs * kTileOutputs];
  for (size_t b0 = 0; b0 < blocks; b0 += kChunkBlocks) {
    const size_t count = blocks - b0 < kChunkBlocks ? blocks - b0 : kChunkBlocks;
    const uint8_t* w = packed + b0 * block_bytes(F);
    if constexpr (bits < 8) {
      for (size_t b = 0; b < count; ++b) {
        unpack_block<bits>(w + b * block_bytes(F), unpacked + b * kBlockInputs * kTileOutputs);
      }
      w = unpacked;
    } else {
      for (size_t b = 0; b < count; ++b) prefetch<bits>(w + b * block_bytes(F));
    }
    for_row_groups(rows, [&]<int Rows>(size_t m) {
      const size_t cell = first * blocks + b0 * rows + m;
      RowGroup a{};
      a.stride = rows;
      a.q = all.q + cell * kBlockInputs;
      a.scales = all.scales + cell;
      a.neg_sums = all.neg_sums + cell;
      a.scaled_sums = all.scaled_sums + cell;
      a.acc = acc + m;
      simple_rows<F, Rows>(w, tile + b0 * 32, minimums + b0 * 32, count, a);
    });
  }
}

template <PackedFormat F>
PITH_INLINE __m256 load_weights(const uint8_t* p) {
  if constexpr (F == PackedFormat::f32) return _mm256_castsi256_ps(load(p));
  if constexpr (F == PackedFormat::f16) return load_half8(p);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load128(p)), 16));
}

template <PackedFormat F>
void float_panel(const uint8_t* tile, const MatmulArgs& args, size_t first, size_t rows,
                 float (*acc)[kTileOutputs]) {
  constexpr size_t bytes = static_cast<size_t>(packed_info(F).bits) / 8;
  for_row_groups(rows, [&]<int Rows>(size_t m0) {
    const float* x = args.floats + (first + m0) * args.inputs;
    __m256 sum[Rows][2] = {};
    for (size_t i = 0; i < args.inputs; ++i) {
      const uint8_t* w = tile + i * kTileOutputs * bytes;
      const __m256 w0 = load_weights<F>(w);
      const __m256 w1 = load_weights<F>(w + 8 * bytes);
#pragma GCC unroll 4
      for (int m = 0; m < Rows; ++m) {
        const __m256 xm = _mm256_set1_ps(x[m * args.inputs + i]);
        sum[m][0] = _mm256_fmadd_ps(w0, xm, sum[m][0]);
        sum[m][1] = _mm256_fmadd_ps(w1, xm, sum[m][1]);
      }
    }
    for (int m = 0; m < Rows; ++m) {
      _mm256_store_ps(acc[m0 + m], sum[m][0]);
      _mm256_store_ps(acc[m0 + m] + 8, sum[m][1]);
    }
  });
}

// The first n lanes (all, from 8 on) as the sign bits of a vector.
PITH_INLINE __m256i first_lanes(size_t n) {
  alignas(32) static constexpr int32_t kLanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return load(kLanes + 8 - (n < 8 ? n : 8));
}

// At most 8 floats; nothing beyond n is touched. Masked stores are slow on some
// machines, so whole vectors go without.
PITH_INLINE __m256 load_first(const float* p, size_t n) {
  return n >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first_lanes(n));
}
PITH_INLINE void store_first(float* p, size_t n, __m256 v) {
  if (n >= 8)
    _mm256_storeu_ps(p, v);
  else
    _mm256_maskstore_ps(p, first_lanes(n), v);
}

template <PackedFormat F>
void tile_panel(const MatmulArgs& args, size_t t, size_t first, size_t rows) {
  const uint8_t* tile = args.tiles + t * tile_bytes(F, args.inputs);
  alignas(32) float acc[kPanelRows][kTileOutputs] = {};
  if constexpr (is_super(F))
    super_panel<F>(tile, args, first, rows, acc);
  else if constexpr (is_float(F))
    float_panel<F>(tile, args, first, rows, acc);
  else
    simple_panel<F>(tile, args, first, rows, acc);
  const size_t left = args.outputs - t * kTileOutputs;
  for (size_t m = 0; m < rows; ++m) {
    for (size_t o = 0; o < kTileOutputs && o < left; o += 8) {
      float* out = args.out + (first + m) * args.out_stride + t * kTileOutputs + o;
      __m256 value = _mm256_load_ps(acc[m] + o);
      if (args.accumulate) value = _mm256_add_ps(load_first(out, left - o), value);
      store_first(out, left - o, value);
    }
  }
}

template <PackedFormat F>
void matmul(const MatmulArgs& args) {
  // So many tiles stay in the L2 cache while all panels pass over them.
  constexpr size_t kCacheBytes = 128 * 1024;
  const size_t bytes = tile_bytes(F, args.inputs);
  const size_t step = bytes < kCacheBytes ? kCacheBytes / bytes : 1;
  for (size_t t0 = args.first_tile; t0 < args.end_tile; t0 += step) {
    const size_t t1 = t0 + step < args.end_tile ? t0 + step : args.end_tile;
    for (size_t p = 0; p < panel_count(args.rows); ++p) {
      const size_t first = panel_begin(args.rows, p);
      const size_t rows = panel_begin(args.rows, p + 1) - first;
      for (size_t t = t0; t < t1; ++t) tile_panel<F>(args, t, first, rows);
    }
  }
}

// ---- sums over vectors --------------------------------------------------------

PITH_INLINE float sum_lanes(__m256 v) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

PITH_INLINE float max_lanes(__m256 v) {
  __m128 max = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  max = _mm_max_ps(max, _mm_movehl_ps(max, max));
  return _mm_cvtss_f32(_mm_max_ss(max, _mm_movehdup_ps(max)));
}

PITH_INLINE __m256 abs_ps(__m256 v) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v); }

// ---- activations to 8 bits ----------------------------------------------------

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

// 32 floats times `inverse`, rounded to nearest even. Writes the bytes; returns the
// sums of the first and of the last 16 in lanes 0 and 1.
struct BlockSums {
  int low;
  int high;
};
PITH_INLINE BlockSums quantize_block(const float* x, float inverse, int8_t* q) {
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
  // Bytes + 128 summed by 8, less 16 * 128 per half.
  const __m256i sums =
      _mm256_sad_epu8(_mm256_xor_si256(bytes, _mm256_set1_epi8(-128)), _mm256_setzero_si256());
  const __m256i halves = _mm256_add_epi64(sums, _mm256_unpackhi_epi64(sums, sums));
  return {_mm256_extract_epi32(halves, 0) - 2048, _mm256_extract_epi32(halves, 4) - 2048};
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
      const BlockSums sums = quantize_block(x + b * 32, inverse, a.q + cell * 32);
      a.sums16[2 * cell] = static_cast<int16_t>(sums.low);
      a.sums16[2 * cell + 1] = static_cast<int16_t>(sums.high);
      a.neg_sums[(s * 16 + b * 2) * row.rows + row.index] = -32 * sums.low;
      a.neg_sums[(s * 16 + b * 2 + 1) * row.rows + row.index] = -32 * sums.high;
      const size_t pair = (s * 4 + b / 2) * row.rows + row.index;
      a.sums32[2 * pair + b % 2] = static_cast<int16_t>(sums.low + sums.high);
    }
  }
}

void quantize_simple(const float* x, size_t n, const PanelRow& row) {
  const QuantizedRows& a = row.panel;
  for (size_t b = 0; b < n / kBlockInputs; ++b, x += kBlockInputs) {
    const float max = largest_of(x, kBlockInputs);
    const size_t cell = b * row.rows + row.index;
    const BlockSums sums = quantize_block(x, inverse_of(max), a.q + cell * 32);
    const int sum = sums.low + sums.high;
    a.scales[cell] = max / 127.0f;
    a.neg_sums[cell] = -sum;
    a.scaled_sums[cell] = a.scales[cell] * static_cast<float>(sum);
  }
}

// ---- element by element -------------------------------------------------------

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

// 2^n for integers -126 <= n <= 127.
PITH_INLINE __m256 exp2_int(__m256i n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

// e^x to 2 ulp: x = n ln 2 + r, |r| <= ln 2 / 2, a polynomial in r, times 2^n.
// Below -87.3 (the last normal float) the result is 0; from 89 on it is infinite.
PITH_INLINE __m256 exp_ps(__m256 x) {
  const __m256 below = _mm256_cmp_ps(x, _mm256_set1_ps(-87.3f), _CMP_LT_OQ);
  x = _mm256_min_ps(_mm256_set1_ps(89.0f), x);  // NaN stays
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
  __m256 p = _mm256_set1_ps(1.0f / 5040);  // Taylor: |r|^8 / 8! < 6e-9
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 720));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 120));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 24));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 6));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  // n may be 128: in two steps.
  const __m256i power = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(power, 1);
  p = _mm256_mul_ps(_mm256_mul_ps(p, exp2_int(half)), exp2_int(_mm256_sub_epi32(power, half)));
  return _mm256_andnot_ps(below, p);
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

// ---- attention over one KV block ----------------------------------------------

PITH_INLINE __m256 load_cache(const float* p) { return _mm256_loadu_ps(p); }
PITH_INLINE __m256 load_cache(const uint16_t* p) { return load_half8(p); }
PITH_INLINE __m256 load_cache(const int8_t* p) {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
template <class Element>
PITH_INLINE __m256 load_cache_first(const Element* p, size_t n) {
  if (n >= 8) return load_cache(p);
  Element padded[8] = {};
  __builtin_memcpy(padded, p, n * sizeof *p);
  return load_cache(padded);
}

// The first or the second of eight pairs of 16 bits.
PITH_INLINE __m256 load_pairs(const int16_t* p, bool second, size_t n = 8) {
  int16_t padded[16] = {};
  if (n < 8) {
    __builtin_memcpy(padded, p, n * 2 * sizeof *p);
    p = padded;
  }
  const __m256i pairs = load(p);
  const __m256i high = second ? pairs : _mm256_slli_epi32(pairs, 16);
  return _mm256_cvtepi32_ps(_mm256_srai_epi32(high, 16));
}

// Channel d of eight positions from j on.
template <class Element>
PITH_INLINE __m256 load_keys(const Element* keys, size_t d, size_t j) {
  return load_cache(keys + d * kKvBlock + j);
}
PITH_INLINE __m256 load_keys(const int16_t* keys, size_t d, size_t j) {
  return load_pairs(keys + paired_key_at(d / 2 * 2, j), d % 2 != 0);
}
// Up to eight channels from d on of position j.
template <class Element>
PITH_INLINE __m256 load_values(const Element* values, size_t j, size_t d, size_t size) {
  return load_cache_first(values + j * size + d, size - d);
}
PITH_INLINE __m256 load_values(const int16_t* values, size_t j, size_t d, size_t size) {
  return load_pairs(values + paired_value_at(j / 2 * 2, d, size), j % 2 != 0, size - d);
}

// Keys [D, 64] to floats, scaled per position; `positions` in whole vectors.
template <class Element>
void widen_keys(const AttendArgs& args, size_t positions, float* out) {
  const auto* keys = static_cast<const Element*>(args.keys);
  for (size_t j = 0; j < positions; j += 8) {
    const __m256 scale = args.key_scales ? _mm256_loadu_ps(args.key_scales + j) : _mm256_set1_ps(1);
    for (size_t d = 0; d < args.head_size; ++d) {
      const __m256 v = load_keys(keys, d, j);
      _mm256_storeu_ps(out + d * kKvBlock + j, args.key_scales ? _mm256_mul_ps(v, scale) : v);
    }
  }
}

// Values [64, D] to floats [64, stride], scaled per position.
template <class Element>
void widen_values(const AttendArgs& args, size_t positions, size_t stride, float* out) {
  const auto* values = static_cast<const Element*>(args.values);
  for (size_t j = 0; j < positions; ++j) {
    const __m256 scale = _mm256_set1_ps(args.value_scales ? args.value_scales[j] : 1.0f);
    for (size_t d = 0; d < args.head_size; d += 8) {
      const __m256 v = load_values(values, j, d, args.head_size);
      _mm256_storeu_ps(out + j * stride + d, args.value_scales ? _mm256_mul_ps(v, scale) : v);
    }
  }
}

// c [rows, columns] (+)= a [rows, depth] x b [depth, columns].
struct Product {
  const float* a;
  size_t a_stride;
  const float* b;  // whole vectors: columns rounded up to 8
  size_t b_stride;
  size_t depth;
  float* c;
  size_t c_stride;
  bool accumulate;
};

// Rows rows from `row` on, `columns` columns (at most 8 Vectors) from `column` on;
// k ascending for each.
template <int Rows, int Vectors>
PITH_INLINE void product_tile(const Product& p, size_t row, size_t column, size_t columns) {
  const float* a = p.a + row * p.a_stride;
  const float* b = p.b + column;
  float* c = p.c + row * p.c_stride + column;
  __m256 acc[Rows][Vectors];
  for (int m = 0; m < Rows; ++m) {
    for (int v = 0; v < Vectors; ++v) {
      acc[m][v] = p.accumulate ? load_first(c + m * p.c_stride + 8 * v, columns - 8 * v)
                               : _mm256_setzero_ps();
    }
  }
  for (size_t k = 0; k < p.depth; ++k) {
    __m256 w[Vectors];
    for (int v = 0; v < Vectors; ++v) w[v] = _mm256_loadu_ps(b + k * p.b_stride + 8 * v);
#pragma GCC unroll 6
    for (int m = 0; m < Rows; ++m) {
      const __m256 x = _mm256_set1_ps(a[m * p.a_stride + k]);
      for (int v = 0; v < Vectors; ++v) acc[m][v] = _mm256_fmadd_ps(x, w[v], acc[m][v]);
    }
  }
  for (int m = 0; m < Rows; ++m) {
    for (int v = 0; v < Vectors; ++v) {
      store_first(c + m * p.c_stride + 8 * v, columns - 8 * v, acc[m][v]);
    }
  }
}

template <int Vectors>
void product_columns(const Product& p, size_t rows, size_t column, size_t columns) {
  size_t m = 0;
  for (; m + 6 <= rows; m += 6) {  // 6 x 2 sums, 2 loads, 1 broadcast: 15 of 16 registers
    product_tile<6, Vectors>(p, m, column, columns);
  }
  for (; m + 3 <= rows; m += 3) product_tile<3, Vectors>(p, m, column, columns);
  for (; m < rows; ++m) product_tile<1, Vectors>(p, m, column, columns);
}

void product_all(const Product& p, size_t rows, size_t columns) {
  for (size_t column = 0; column < columns; column += 16) {
    const size_t left = columns - column;
    if (left > 8)
      product_columns<2>(p, rows, column, left);
    else
      product_columns<1>(p, rows, column, left);
  }
}

// Turns the scores of one query into weights (0 where it sees nothing) and rescales
// its state. `positions` is a multiple of 8.
PITH_INLINE void softmax_update(float* scores, size_t visible, size_t positions, float* max,
                                float* sum, float* out, size_t head_size) {
  __m256 largest = _mm256_set1_ps(*max);
  for (size_t j = 0; j < visible; j += 8) {
    const __m256 lanes = _mm256_castsi256_ps(first_lanes(visible - j));
    const __m256 hidden = _mm256_set1_ps(-__builtin_inff());
    const __m256 v = _mm256_blendv_ps(hidden, _mm256_loadu_ps(scores + j), lanes);
    _mm256_storeu_ps(scores + j, v);
    largest = _mm256_max_ps(largest, v);
  }
  const float new_max = max_lanes(largest);
  const __m256 shift = _mm256_set1_ps(new_max);
  __m256 total = _mm256_setzero_ps();
  size_t j = 0;
  for (; j < visible; j += 8) {
    const __m256 v = exp_ps(_mm256_sub_ps(_mm256_loadu_ps(scores + j), shift));
    total = _mm256_add_ps(total, v);
    _mm256_storeu_ps(scores + j, v);
  }
  for (; j < positions; j += 8) _mm256_storeu_ps(scores + j, _mm256_setzero_ps());
  const __m256 correction = exp_ps(_mm256_set1_ps(*max - new_max));
  if (new_max != *max) {
    for (size_t d = 0; d < head_size; d += 8) {
      const __m256 o = load_first(out + d, head_size - d);
      store_first(out + d, head_size - d, _mm256_mul_ps(o, correction));
    }
  }
  *sum = *sum * _mm256_cvtss_f32(correction) + sum_lanes(total);
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
  const size_t positions = (seen + 7) / 8 * 8;
  widen_keys<Element>(args, positions, keys);
  widen_values<Element>(args, seen, stride, values);
  product_all({args.q, size, keys, kKvBlock, size, scores, kKvBlock, false}, args.queries,
              positions);
  for (size_t m = 0; m < args.queries; ++m) {
    float* row = scores + m * kKvBlock;
    if (args.visible[m] == 0) {
      for (size_t j = 0; j < positions; j += 8) _mm256_storeu_ps(row + j, _mm256_setzero_ps());
      continue;
    }
    softmax_update(row, static_cast<size_t>(args.visible[m]), positions, args.max + m, args.sum + m,
                   args.out + m * size, size);
  }
  product_all({scores, kKvBlock, values, stride, seen, args.out, size, true}, args.queries, size);
}

}  // namespace

const Kernels kAvx2Kernels = {
    .isa = Isa::avx2,
    .matmul = {matmul<PackedFormat::k2m>, matmul<PackedFormat::k4m>, matmul<PackedFormat::k5m>,
               matmul<PackedFormat::k6>, matmul<PackedFormat::s4>, matmul<PackedFormat::s4m>,
               matmul<PackedFormat::s5>, matmul<PackedFormat::s5m>, matmul<PackedFormat::s8>,
               matmul<PackedFormat::f32>, matmul<PackedFormat::f16>, matmul<PackedFormat::bf16>},
    .quantize_super = quantize_super,
    .quantize_simple = quantize_simple,
    .rms_norm = rms_norm,
    .weigh = weigh,
    .silu_mul = silu_mul,
    .add = add,
    .rope = rope,
    .attend_f32 = attend<float>,
    .attend_f16 = attend<uint16_t>,
    .attend_int16 = attend<int16_t>,
    .attend_int8 = attend<int8_t>,
    .to_half = to_half,
    .max = max_of,
    .log_sum_exp = log_sum_exp,
};

}  // namespace pith
