// Matrix products. A tile's 16 outputs are two vectors of 8. A chunk of 256 inputs is
// unpacked to the stack once per panel; then up to 3 rows at a time pass over it, so that
// a weight vector is loaded once for 3 rows.
#pragma once

#include "kernels/avx2/run.h"

namespace pith {
namespace {

// As far ahead of the weights as in ../avx512.
constexpr size_t kPrefetchBytes = 4096;

constexpr int kGroupRows = 3;  // what the registers hold (run.h)
constexpr int kChunkBlocks = kSuperInputs / kBlockInputs;

// The block that will be read a little later; a plane of one bit is a cache line.
template <int Bits>
PITH_INLINE void prefetch(const uint8_t* p) {
  for (int line = 0; line < Bits; ++line) {
    _mm_prefetch(p + kPrefetchBytes + 64 * line, _MM_HINT_T0);
  }
}

// Of the 32 stored weights of 16 outputs (tensor/packed.h) those of 8 outputs, as vectors of
// bytes. p points to the block, for the last 8 outputs 32 bytes behind.
template <int Bits>
PITH_INLINE void unpack_half(const uint8_t* p, __m256i w[8]) {
  if constexpr (Bits >= 4) {
    const __m256i nibble = _mm256_set1_epi8(15);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m256i both = load(p + 64 * j);
      w[j] = _mm256_and_si256(both, nibble);
      w[j + 4] = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
    }
  }
  if constexpr (Bits == 5) {
    const __m256i high = load(p + 256);
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
      const __m256i high = load(p + 256 + 64 * (j / 4));
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
      w[j] = _mm256_and_si256(_mm256_srli_epi16(load(p + 64 * (j / 4)), j % 4 * 2), mask);
    }
  }
}

// A whole block as 8 x 64 bytes.
template <int Bits>
PITH_INLINE void unpack_block(const uint8_t* p, uint8_t* out) {
  prefetch<Bits>(p);
#pragma GCC unroll 2
  for (int half = 0; half < 64; half += 32) {
    __m256i w[8];
    unpack_half<Bits>(p + half, w);
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) store(out + 64 * j + half, w[j]);
  }
}

// What add_run() does with a block of a single row, whose weights need not be kept.
// scales_of(j): of the run that begins with vector j.
template <int Bits, int Run, class Scales>
PITH_INLINE void add_packed(const uint8_t* p, const int8_t* q, const Scales& scales_of,
                            __m256i out[2]) {
  prefetch<Bits>(p);
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    __m256i w[8];
    unpack_half<Bits>(p + 32 * half, w);
#pragma GCC unroll 4
    for (int begin = 0; begin < 8; begin += Run) {
      __m256i sum = _mm256_maddubs_epi16(w[begin], broadcast4(q + 4 * begin));
#pragma GCC unroll 8
      for (int j = begin + 1; j < begin + Run; ++j) {
        sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(w[j], broadcast4(q + 4 * j)));
      }
      const __m256i scales = load(scales_of(begin) + 16 * half);
      out[half] = _mm256_add_epi32(out[half], _mm256_madd_epi16(sum, scales));
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

  // The weights only if they are asked for: a single row reads the tile's.
  PITH_INLINE SuperChunk(const uint8_t* tile, bool with_weights) {
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
    if (!with_weights) return;
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

template <PackedFormat F, int Rows, bool Packed>
void super_rows(const SuperChunk<F>& chunk, const uint8_t* tile, const RowGroup& a) {
  constexpr PackedFormatInfo info = packed_info(F);
  constexpr int run =
      run_length(info.bits) < info.group / 4 ? run_length(info.bits) : info.group / 4;
  __m256i scaled[Rows][2];
  for (int m = 0; m < Rows; ++m) scaled[m][0] = scaled[m][1] = _mm256_setzero_si256();
  const int8_t* q = a.q;
  const uint8_t* w = chunk.weights;
  for (int b = 0; b < kChunkBlocks; ++b, q += a.stride * kBlockInputs, w += 512) {
    const auto scales_of = [&](int j) {
      return chunk.scales[(b * kBlockInputs + j * 4) / info.group][0];
    };
    if constexpr (Packed) {
      const uint8_t* packed = tile + super_header_bytes(F) + b * block_bytes(F);
      add_packed<info.bits, run>(packed, q, scales_of, scaled[0]);
      continue;
    }
#pragma GCC unroll 4
    for (int j = 0; j < 8; j += run) {
      add_run<run, Rows>(w + 64 * j, q + 4 * j, scales_of(j), scaled);
    }
  }
#pragma GCC unroll 3
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

alignas(32) constexpr int16_t kOnes[kTileOutputs * 2] = {
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

// Dot products of a block of 32 inputs, without offset. w: unpacked; packed: as stored.
template <int Bits, int Rows, bool Packed>
PITH_INLINE void dot_block(const uint8_t* w, const uint8_t* packed, const int8_t* q,
                           __m256i dot[Rows][2]) {
  constexpr int run = run_length(Bits);
  for (int m = 0; m < Rows; ++m) dot[m][0] = dot[m][1] = _mm256_setzero_si256();
  if constexpr (Packed) {
    return add_packed<Bits, run>(
        packed, q, [](int) { return kOnes; }, dot[0]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 8; j += run) add_run<run, Rows>(w + 64 * j, q + 4 * j, kOnes, dot);
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
#pragma GCC unroll 3
      for (int m = 0; m < Rows; ++m) {
        const __m256i x = broadcast4(q + m * kBlockInputs + 4 * j);
        const __m256i p = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(x, w));
        dot[m][half] = _mm256_add_epi32(dot[m][half], _mm256_madd_epi16(p, ones));
      }
    }
  }
}

// Up to kChunkBlocks blocks of an s format: `scales` and `minimums` are theirs. w: unpacked,
// packed: as stored; the same for weights of 8 bits.
template <PackedFormat F, int Rows, bool Packed>
void simple_rows(const uint8_t* w, const uint8_t* packed, const uint8_t* scales,
                 const uint8_t* minimums, size_t blocks, const RowGroup& a) {
  constexpr PackedFormatInfo info = packed_info(F);
  __m256 sum[Rows][2];
  for (int m = 0; m < Rows; ++m) {
    for (int half = 0; half < 2; ++half) sum[m][half] = _mm256_load_ps(a.acc[m] + half * 8);
  }
  for (size_t b = 0; b < blocks; ++b, w += 512, packed += block_bytes(F)) {
    const size_t cell = b * a.stride;
    __m256i dot[Rows][2];
    if constexpr (info.bits == 8) {
      dot_block_s8<Rows>(w, a.q + cell * kBlockInputs, dot);
    } else {
      dot_block<info.bits, Rows, Packed>(w, packed, a.q + cell * kBlockInputs, dot);
    }
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m256 weight_scale = load_half8(scales + b * 32 + half * 16);
#pragma GCC unroll 3
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

// Calls f.template operator()<Rows, Packed>(m) for the rows of a panel in groups; Packed,
// where there is but one row.
template <class F>
PITH_INLINE void for_row_groups(size_t rows, const F& f) {
  if (rows == 1) return f.template operator()<1, true>(0);
  size_t m = 0;
  for (; m + kGroupRows <= rows; m += kGroupRows) f.template operator()<kGroupRows, false>(m);
  switch (rows - m) {
    case 1:
      return f.template operator()<1, false>(m);
    case 2:
      return f.template operator()<2, false>(m);
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
    const SuperChunk<F> chunk(tile, rows > 1);
    for_row_groups(rows, [&]<int Rows, bool Packed>(size_t m) {
      RowGroup a{};
      a.stride = rows;
      a.q = all.q + first * n + (s * kChunkBlocks * rows + m) * kBlockInputs;
      a.scales = all.scales + first * (n / kSuperInputs) + s * rows + m;
      a.sums = sums + s * (kSuperInputs / group) * rows + 2 * m;
      a.acc = acc + m;
      super_rows<F, Rows, Packed>(chunk, tile, a);
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
    const uint8_t* stored = packed + b0 * block_bytes(F);
    for (size_t b = 0; b < count; ++b) {
      const uint8_t* block = stored + b * block_bytes(F);
      if constexpr (bits == 8) prefetch<bits>(block);
      if constexpr (bits < 8) {
        if (rows > 1) unpack_block<bits>(block, unpacked + b * kBlockInputs * kTileOutputs);
      }
    }
    for_row_groups(rows, [&]<int Rows, bool Packed>(size_t m) {
      const size_t cell = first * blocks + b0 * rows + m;
      RowGroup a{};
      a.stride = rows;
      a.q = all.q + cell * kBlockInputs;
      a.scales = all.scales + cell;
      a.neg_sums = all.neg_sums + cell;
      a.scaled_sums = all.scaled_sums + cell;
      a.acc = acc + m;
      simple_rows<F, Rows, Packed>(bits == 8 ? stored : unpacked, stored, tile + b0 * 32,
                                   minimums + b0 * 32, count, a);
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
  for_row_groups(rows, [&]<int Rows, bool>(size_t m0) {
    const float* x = args.floats + (first + m0) * args.inputs;
    __m256 sum[Rows][2] = {};
    for (size_t i = 0; i < args.inputs; ++i) {
      const uint8_t* w = tile + i * kTileOutputs * bytes;
      const __m256 w0 = load_weights<F>(w);
      const __m256 w1 = load_weights<F>(w + 8 * bytes);
#pragma GCC unroll 3
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

template <PackedFormat F>
void tile_panel(const MatmulArgs& args, size_t t, size_t first, size_t rows) {
  const uint8_t* tile = args.tiles + t * tile_bytes(F, args.inputs);
  alignas(32) float acc[kPanelRows][kTileOutputs];
  for (size_t m = 0; m < rows; ++m) {
    _mm256_store_ps(acc[m], _mm256_setzero_ps());
    _mm256_store_ps(acc[m] + 8, _mm256_setzero_ps());
  }
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

}  // namespace
}  // namespace pith
