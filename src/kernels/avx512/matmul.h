// Matrix products. A block of 32 inputs of a tile is unpacked once, to 8 vectors, which all rows
// of a panel go over.
#pragma once

#include <array>
#include <utility>

#include "kernels/avx512/vector.h"

namespace pith {
namespace {

// Weights are fetched to the second-level cache this far ahead, which covers the latency of
// memory at the rate one core reads, and to the first near their use, where few are on their
// way at a time; measured, see docs/performance.md.
constexpr size_t kFarPrefetch = 8192;
constexpr size_t kNearPrefetch = 1024;

// Rows take turns, so that a dot product need not wait for the one before it in its row: it
// takes 4 or 5 cycles, two may begin in each, and a processor does not look far ahead. In super
// blocks a row has two sums; where tiles go in pairs, one for each.
constexpr int kSuperTurn = 2;
constexpr int kSimpleTurn = 4;
constexpr int kPairTurn = 8;

// f.operator()<First, Count>() for each turn of Turn of Rows rows.
template <int Rows, int Turn, int First = 0, class F>
PITH_INLINE void for_turns(const F& f) {
  if constexpr (First < Rows) {
    constexpr int count = Rows - First < Turn ? Rows - First : Turn;
    f.template operator()<First, count>();
    for_turns<Rows, Turn, First + count>(f);
  }
}
#define PITH_EACH_TURN [&]<int First, int Count>() __attribute__((always_inline))

// dot += the products of 16 outputs' weights with four activations of a row. The
// compiler would load the four by an instruction of their own.
PITH_INLINE void dot_four(__m512i& dot, __m512i w, const int8_t* q) {
  typedef int32_t __attribute__((may_alias, aligned(1))) Four;
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(dot) : "v"(w), "m"(*reinterpret_cast<const Four*>(q)));
}

PITH_INLINE void dot_four(__m512i& dot, __m512i w, __m512i fours) {
  asm("vpdpbusd %2, %1, %0" : "+v"(dot) : "v"(w), "v"(fours));
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
  for (int line = 0; line < Lines; ++line) {
    _mm_prefetch(p + kFarPrefetch + 64 * line, _MM_HINT_T1);
    _mm_prefetch(p + kNearPrefetch + 64 * line, _MM_HINT_T0);
  }
}

// Inputs whose dot product fits 16 bits, whatever the weights and activations are.
template <PackedFormat F>
inline constexpr int kPartInputs = packed_info(F).bits == 4 ? 16 : 8;

// The low halves of a's elements, those of b above them.
PITH_INLINE __m512i pair16(__m512i a, __m512i b) {
  const __m512i to_high = _mm512_set4_epi32(0x0d0c0d0c, 0x09080908, 0x05040504, 0x01000100);
  return _mm512_mask_shuffle_epi8(a, 0xccccccccccccccccu, b, to_high);
}

// One tile against a panel of Rows rows whose first is row `first` of the step. Two parts'
// dot products take 16 bits each of an element, so that another dot product multiplies both
// by their scale and adds them: a 32-bit multiplication would cost twice as much.
template <PackedFormat F, int Rows>
PITH_INLINE void super_tile(const uint8_t* tile, const MatmulArgs& args, size_t first,
                            __m512* acc) {
  constexpr PackedFormatInfo info = packed_info(F);
  constexpr int groups = kSuperInputs / info.group;
  constexpr int part = kPartInputs<F>;
  constexpr int part_vectors = part / 4;
  const size_t n = args.inputs;
  const QuantizedRows& a = args.quantized;
  const int8_t* q = a.q + first * n;
  const float* row_scales = a.scales + first * (n / kSuperInputs);
  const int16_t* neg_sums = a.neg_sums8 + first * (n / 8);
  const int16_t* sums = (info.group == 16 ? a.sums16 : a.sums32) + first * (n / info.group);
  for (int m = 0; m < Rows; ++m) acc[m] = _mm512_setzero_ps();
  for (size_t s = 0; s < n / kSuperInputs; ++s, tile += super_bytes(F)) {
    const uint8_t* scales = tile + 64;
    const uint8_t* weights = tile + super_header_bytes(F);
    __m512i scaled[Rows];
    unrolled<Rows>(PITH_EACH(m) { scaled[m] = _mm512_setzero_si512(); });
    for (int b = 0; b < kSuperInputs / kBlockInputs; ++b) {
      __m512i w[8];
      prefetch<static_cast<int>(block_bytes(F) / 64)>(weights);
      unpack<info.bits>(weights, w);
      weights += block_bytes(F);
      __m512i scale;
#pragma GCC unroll 4
      for (int i = 0; i < kBlockInputs; i += 2 * part) {
        if (i % info.group == 0) {
          const __m128i bytes = load128(scales);
          scales += kTileOutputs;
          scale = info.has_min ? _mm512_cvtepu8_epi32(bytes) : _mm512_cvtepi8_epi32(bytes);
          scale = pair16(scale, scale);
        }
        for_turns<Rows, kSuperTurn>(PITH_EACH_TURN {
          __m512i low[Count], high[Count];
          unrolled<Count>(PITH_EACH(m) {
            if constexpr (info.offset) {
              const int16_t* at = neg_sums + (First + m) * 4 + i / 8;
              low[m] = broadcast4(at);
              high[m] = broadcast4(at + 1);
            } else {
              low[m] = high[m] = _mm512_setzero_si512();
            }
          });
          const int8_t* x = q + First * kBlockInputs + i;
          unrolled<part_vectors>(PITH_EACH(j) {
            unrolled<Count>(PITH_EACH(m) {
              const int8_t* at = x + m * kBlockInputs + 4 * j;
              dot_four(low[m], w[i / 4 + j], at);
              dot_four(high[m], w[i / 4 + part_vectors + j], at + part);
            });
          });
          unrolled<Count>(PITH_EACH(m) {
            const __m512i pair = pair16(low[m], high[m]);
            __m512i& total = scaled[First + m];
            // With few rows a chain of dot products would be waited for.
            total = Rows > 4 ? _mm512_dpwssd_epi32(total, pair, scale)
                             : _mm512_add_epi32(total, _mm512_madd_epi16(pair, scale));
          });
        });
      }
      neg_sums += 4 * Rows;
      q += Rows * kBlockInputs;
    }
    const __m512 d = load_half16(tile);
    __m512 d_min;
    __m512i minimums[groups / 2];
    if constexpr (info.has_min) {
      d_min = load_half16(tile + 32);
      for (int pair = 0; pair < groups / 2; ++pair) {
        minimums[pair] = _mm512_cvtepu8_epi16(load256(scales + pair * 2 * kTileOutputs));
      }
    }
    unrolled<Rows>(PITH_EACH(m) {
      __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(scaled[m]), d);
      if constexpr (info.has_min) {
        __m512i minimum = _mm512_setzero_si512();
        unrolled<groups / 2>(PITH_EACH(pair) {
          minimum = _mm512_dpwssd_epi32(minimum, minimums[pair],
                                        broadcast4(sums + (pair * Rows + m) * 2));
        });
        value = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(minimum), d_min, value);
      }
      acc[m] = _mm512_fmadd_ps(value, _mm512_set1_ps(row_scales[m]), acc[m]);
    });
    sums += groups * Rows;
    row_scales += Rows;
  }
}

// So many rows are worth the pains of a pair of tiles.
constexpr int kLeastPairRows = 4;

// Tiles neighbouring tiles, one or two, against a panel as above. Of a pair both multiply what
// was fetched of a row, as a fetch for each product would take all that a core can do of them;
// its weights take 16 vectors, too many for registers beside the sums of several rows, so that
// they are kept in the first-level cache. `acc`: by tile and row.
template <PackedFormat F, int Rows, int Tiles>
PITH_INLINE void simple_tiles(const uint8_t* tile, const MatmulArgs& args, size_t first,
                              __m512* acc) {
  constexpr PackedFormatInfo info = packed_info(F);
  constexpr int offset_shift = info.offset == 8 ? 3 : info.offset == 16 ? 4 : 7;
  constexpr int turns = (Rows + kPairTurn - 1) / kPairTurn;
  constexpr int turn = Tiles == 1 ? kSimpleTurn : (Rows + turns - 1) / turns;
  const size_t stride = tile_bytes(F, args.inputs);
  const size_t blocks = args.inputs / kBlockInputs;
  const uint8_t* minimums = tile + simple_column_bytes(args.inputs);
  const uint8_t* weights = tile + simple_header_bytes(F, args.inputs);
  const QuantizedRows& a = args.quantized;
  const int8_t* q = a.q + first * args.inputs;
  size_t cell = first * blocks;
  unrolled<Tiles * Rows>(PITH_EACH(i) { acc[i] = _mm512_setzero_ps(); });
  for (size_t b = 0; b < blocks; ++b) {
    __m512i w[Tiles][8];
    __m512 weight_scale[Tiles], minimum[Tiles];
    unrolled<Tiles>(PITH_EACH(t) {
      const size_t at = t * stride;
      prefetch<static_cast<int>(block_bytes(F) / 64)>(weights + at);
      unpack<info.bits>(weights + at, w[t]);
      weight_scale[t] = load_half16(tile + at + b * 2 * kTileOutputs);
      if constexpr (info.has_min) minimum[t] = load_half16(minimums + at + b * 2 * kTileOutputs);
    });
    if constexpr (Tiles > 1 && Rows > kLeastPairRows) asm("" : "+m"(w));
    weights += block_bytes(F);
    const int32_t* neg_sums = a.neg_sums + cell;
    const float* scales = a.scales + cell;
    const float* scaled_sums = a.scaled_sums + cell;
    for_turns<Rows, turn>(PITH_EACH_TURN {
      __m512i dot[Tiles * Count];
      unrolled<Count>(PITH_EACH(m) {
        const __m512i start =
            info.offset ? _mm512_slli_epi32(_mm512_set1_epi32(neg_sums[First + m]), offset_shift)
                        : _mm512_setzero_si512();
        unrolled<Tiles>(PITH_EACH(t) { dot[t * Count + m] = start; });
      });
      unrolled<8>(PITH_EACH(j) {
        unrolled<Count>(PITH_EACH(m) {
          const int8_t* at = q + (First + m) * kBlockInputs + 4 * j;
          if constexpr (Tiles == 1) {
            dot_four(dot[m], w[0][j], at);
          } else {
            const __m512i fours = broadcast4(at);
            unrolled<Tiles>(PITH_EACH(t) { dot_four(dot[t * Count + m], w[t][j], fours); });
          }
        });
      });
      unrolled<Count>(PITH_EACH(m) {
        const __m512 row_scale = _mm512_set1_ps(scales[First + m]);
        unrolled<Tiles>(PITH_EACH(t) {
          __m512& total = acc[t * Rows + First + m];
          const __m512 scale = _mm512_mul_ps(weight_scale[t], row_scale);
          total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[t * Count + m]), scale, total);
          if constexpr (info.has_min) {
            total = _mm512_fmadd_ps(minimum[t], _mm512_set1_ps(scaled_sums[First + m]), total);
          }
        });
      });
    });
    q += Rows * kBlockInputs;
    cell += Rows;
  }
}

template <PackedFormat F>
PITH_INLINE __m512 load_weights(const uint8_t* p) {
  if constexpr (F == PackedFormat::f32) return _mm512_loadu_ps(p);
  if constexpr (F == PackedFormat::f16) return load_half16(p);
  const __m256i bits = load256(p);
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

// Tiles tiles against the panel of Rows rows that starts at row `first`.
template <PackedFormat F, int Rows, int Tiles>
void tile_panel(const MatmulArgs& args, size_t t, size_t first) {
  const uint8_t* tile = args.tiles + t * tile_bytes(F, args.inputs);
  __m512 acc[Tiles * Rows];
  if constexpr (is_super(F))
    super_tile<F, Rows>(tile, args, first, acc);
  else if constexpr (is_float(F))
    float_tile<F, Rows>(tile, args, first, acc);
  else
    simple_tiles<F, Rows, Tiles>(tile, args, first, acc);
  unrolled<Tiles>(PITH_EACH(i) {
    const size_t begin = (t + i) * kTileOutputs;
    const size_t left = args.outputs - begin;
    const auto mask = static_cast<__mmask16>(left >= 16 ? 0xffff : (1u << left) - 1);
    unrolled<Rows>(PITH_EACH(m) {
      float* out = args.out + (first + m) * args.out_stride + begin;
      __m512 value = acc[i * Rows + m];
      if (args.accumulate) value = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, out), value);
      _mm512_mask_storeu_ps(out, mask, value);
    });
  });
}

using TilePanel = void (*)(const MatmulArgs&, size_t, size_t);

// Of at most `most` tiles, how many go against a panel of so many rows at once.
constexpr int tiles_together(int rows, int most) { return rows < kLeastPairRows ? 1 : most; }

// By rows - 1.
template <PackedFormat F, int Tiles>
struct TilePanels {
  template <int... I>
  static constexpr std::array<TilePanel, kPanelRows> of(std::integer_sequence<int, I...>) {
    return {tile_panel<F, I + 1, tiles_together(I + 1, Tiles)>...};
  }
  static constexpr std::array<TilePanel, kPanelRows> all =
      of(std::make_integer_sequence<int, kPanelRows>());
};

template <PackedFormat F>
void matmul(const MatmulArgs& args) {
  constexpr int most = is_super(F) || is_float(F) ? 1 : 2;
  // So many tiles stay in the L2 cache while all panels pass over them.
  constexpr size_t kCacheBytes = 384 * 1024;
  const size_t bytes = tile_bytes(F, args.inputs);
  const size_t step = bytes < kCacheBytes ? kCacheBytes / bytes : 1;
  for (size_t t0 = args.first_tile; t0 < args.end_tile; t0 += step) {
    const size_t t1 = t0 + step < args.end_tile ? t0 + step : args.end_tile;
    for (size_t p = 0; p < panel_count(args.rows); ++p) {
      const size_t first = panel_begin(args.rows, p);
      const size_t rows = panel_begin(args.rows, p + 1) - first;
      const auto together = static_cast<size_t>(tiles_together(static_cast<int>(rows), most));
      size_t t = t0;
      for (; t + together <= t1; t += together) TilePanels<F, most>::all[rows - 1](args, t, first);
      for (; t < t1; ++t) TilePanels<F, 1>::all[rows - 1](args, t, first);
    }
  }
}

}  // namespace
}  // namespace pith
