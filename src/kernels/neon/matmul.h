// Products of packed weights with rows. A chunk of 256 inputs of a tile is unpacked to
// the stack once per panel, as signed bytes with the offset already taken off; then up
// to 4 rows at a time pass over its two halves of 8 outputs. A row alone multiplies what
// it unpacks (Alone).
//
// `Dot` is how 8-bit dot products are made: by vectors of 4 outputs (Sdot, Alone) or by
// matrices of 2 rows and 2 outputs (Mmla). It has
//   Weight                     int8_t, unpacked; Alone: uint8_t, as they are packed
//   kBlock, kHalf              from a block's weights to the next block's, from the first
//                              half's to the second's
//   kMatrices                  whether it is by matrices
//   kScaleVectors              vectors that hold the scales of 8 outputs
//   sums(rows)                 vectors that hold the sums of 8 outputs and the rows
//   place(w, quarter, block)   puts 8 vectors of 4 outputs x 4 inputs into a block (not Alone)
//   place_scales(scales, out)  int32 scales of 4 outputs in the order of the sums
//   multiply<Rows, Begin, End> sums += weights x activations, pieces of 16 inputs
//   rows<Rows>(sums, out)      from sums to [Rows, 2] vectors of 4 outputs
#pragma once

#include "kernels/neon/vector.h"

namespace pith {
namespace {

constexpr int kGroupRows = 4;  // Sdot: 8 sums, 8 scaled sums, 4 activations, 2 weights of 32
constexpr int kChunkBlocks = kSuperInputs / kBlockInputs;
constexpr size_t kBlockWeights = kBlockInputs * kTileOutputs;
constexpr size_t kHalfBlock = kBlockWeights / 2;

// Vectors of 4 outputs x 4 inputs by single rows.
struct Sdot {
  using Weight = int8_t;
  static constexpr size_t kBlock = kBlockWeights;
  static constexpr size_t kHalf = kHalfBlock;
  static constexpr bool kMatrices = false;
  static constexpr int kScaleVectors = 2;
  static constexpr int sums(int rows) { return 2 * rows; }

  // [half][8][2]
  static PITH_INLINE void place(const int8x16_t* w, int quarter, int8_t* block) {
    int8_t* out = block + quarter / 2 * kHalfBlock + quarter % 2 * 16;
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) vst1q_s8(out + 32 * j, w[j]);
  }

  static PITH_INLINE void place_scales(int32x4_t scales, int32_t* out) { vst1q_s32(out, scales); }

  template <int Rows, int Lane>
  static PITH_INLINE void multiply_lane(const int8_t* w, const int8x16_t* x, int32x4_t* sums) {
    const int8x16_t w0 = vld1q_s8(w + 32 * Lane);
    const int8x16_t w1 = vld1q_s8(w + 32 * Lane + 16);
#pragma GCC unroll 4
    for (int m = 0; m < Rows; ++m) {
      sums[2 * m] = vdotq_laneq_s32(sums[2 * m], w0, x[m], Lane);
      sums[2 * m + 1] = vdotq_laneq_s32(sums[2 * m + 1], w1, x[m], Lane);
    }
  }

  template <int Rows, int Begin, int End>
  static PITH_INLINE void multiply(const int8_t* half, const int8_t* q, int32x4_t* sums) {
#pragma GCC unroll 2
    for (int piece = Begin; piece < End; ++piece) {
      int8x16_t x[Rows];
#pragma GCC unroll 4
      for (int m = 0; m < Rows; ++m) x[m] = vld1q_s8(q + m * kBlockInputs + 16 * piece);
      const int8_t* w = half + 128 * piece;
      multiply_lane<Rows, 0>(w, x, sums);
      multiply_lane<Rows, 1>(w, x, sums);
      multiply_lane<Rows, 2>(w, x, sums);
      multiply_lane<Rows, 3>(w, x, sums);
    }
  }

  template <int Rows>
  static PITH_INLINE void rows(const int32x4_t* sums, int32x4_t out[Rows][2]) {
#pragma GCC unroll 4
    for (int m = 0; m < Rows; ++m) {
      out[m][0] = sums[2 * m];
      out[m][1] = sums[2 * m + 1];
    }
  }
};

// A weight with an offset stands in the upper bits of its byte, where turning the highest
// one takes the offset off: products are 2^kShift times too large. Sums still fit 32 bits:
// k6's, with its scales, are at most 256 * 128 * 127 * 128 < 2^29.
template <PackedFormat F>
inline constexpr int kShift = packed_info(F).offset ? 8 - packed_info(F).bits : 0;

// A sum of products, shifted back; exact before it is rounded to a float.
template <PackedFormat F>
PITH_INLINE float32x4_t unshifted(int32x4_t sum) {
  constexpr int shift = kShift<F>;
  if constexpr (shift != 0) return vcvtq_n_f32_s32(sum, shift);
  return vcvtq_f32_s32(sum);
}

PITH_INLINE uint8x16_t shift_left(uint8x16_t v, int bits) {
  return vshlq_u8(v, vdupq_n_s8(static_cast<int8_t>(bits)));
}

// Formats with an offset: the weights of unpack_quarter, shifted, less the offset.
template <PackedFormat F>
PITH_INLINE void unpack_less(const uint8_t* p, uint8x16_t w[8]) {
  constexpr int bits = packed_info(F).bits;
  static_assert(packed_info(F).offset == 1 << (bits - 1));
  if constexpr (bits == 8) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) w[j] = veorq_u8(vld1q_u8(p + 64 * j), vdupq_n_u8(0x80));
    return;
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    uint8x16_t both = vld1q_u8(p + 64 * j);
    if constexpr (bits == 4) both = veorq_u8(both, vdupq_n_u8(0x88));
    w[j] = vshlq_n_u8(both, 4);
    w[j + 4] = vandq_u8(both, vdupq_n_u8(0xf0));
  }
  if constexpr (bits == 5) {
    const uint8x16_t high = vmvnq_u8(vld1q_u8(p + 256));
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) w[j] = vsriq_n_u8(shift_left(high, 7 - j), w[j], 1);
  }
  if constexpr (bits == 6) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      const uint8x16_t high = veorq_u8(vld1q_u8(p + 256 + 64 * (j / 4)), vdupq_n_u8(0xaa));
      w[j] = vsriq_n_u8(shift_left(high, 6 - j % 4 * 2), w[j], 2);
    }
  }
}

// The other formats.
template <PackedFormat F>
PITH_INLINE void unpack_whole(const uint8_t* p, uint8x16_t w[8]) {
  constexpr int bits = packed_info(F).bits;
  if constexpr (bits == 2) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      const uint8x16_t four = vld1q_u8(p + 64 * (j / 4));
      w[j] = vandq_u8(shift_left(four, -(j % 4) * 2), vdupq_n_u8(3));
    }
    return;
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const uint8x16_t both = vld1q_u8(p + 64 * j);
    w[j] = vandq_u8(both, vdupq_n_u8(15));
    w[j + 4] = vshrq_n_u8(both, 4);
  }
  if constexpr (bits == 5) {
    const uint8x16_t high = vld1q_u8(p + 256);
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      w[j] = vorrq_u8(w[j], vandq_u8(shift_left(high, 4 - j), vdupq_n_u8(16)));
    }
  }
}

// The 32 weights of 4 outputs (tensor/packed.h): 8 vectors of 4 outputs x 4 inputs. `p` is
// to the first of a block's outputs.
template <PackedFormat F>
PITH_INLINE void unpack_quarter(const uint8_t* p, int8x16_t out[8]) {
  uint8x16_t w[8];
  if constexpr (packed_info(F).offset) {
    unpack_less<F>(p, w);
  } else {
    unpack_whole<F>(p, w);
  }
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j) out[j] = vreinterpretq_s8_u8(w[j]);
}

// One row: weights are multiplied as they are unpacked, without a copy.
template <PackedFormat F>
struct Alone : Sdot {
  using Weight = uint8_t;
  static constexpr size_t kBlock = block_bytes(F);
  static constexpr size_t kHalf = 32;

  template <int Rows, int Begin, int End>
  static PITH_INLINE void multiply(const uint8_t* half, const int8_t* q, int32x4_t* sums) {
    static_assert(Rows == 1);
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      int8x16_t w[8];
      unpack_quarter<F>(half + 16 * v, w);
#pragma GCC unroll 2
      for (int piece = Begin; piece < End; ++piece) {
        const int8x16_t x = vld1q_s8(q + 16 * piece);
        sums[v] = vdotq_laneq_s32(sums[v], w[4 * piece], x, 0);
        sums[v] = vdotq_laneq_s32(sums[v], w[4 * piece + 1], x, 1);
        sums[v] = vdotq_laneq_s32(sums[v], w[4 * piece + 2], x, 2);
        sums[v] = vdotq_laneq_s32(sums[v], w[4 * piece + 3], x, 3);
      }
    }
  }
};

// `blocks` blocks of packed weights, placed by Dot.
template <class Dot, PackedFormat F>
PITH_INLINE void unpack_blocks(const uint8_t* p, size_t blocks, int8_t* out) {
  for (size_t b = 0; b < blocks; ++b, p += block_bytes(F), out += kBlockWeights) {
#pragma GCC unroll 4
    for (int quarter = 0; quarter < 4; ++quarter) {
      int8x16_t w[8];
      unpack_quarter<F>(p + 16 * quarter, w);
      Dot::place(w, quarter, out);
    }
  }
}

// Rows rows of a panel of `stride` rows; pointers are to the first of them and to the
// chunk's first inputs.
struct RowGroup {
  size_t stride;
  const int8_t* q;
  const float* scales;
  const int16_t* sums;         // super: of the format's groups, in pairs
  const float* scaled_sums;    // simple
  float (*acc)[kTileOutputs];  // [Rows, 16], the result so far
};

// The scales and minimums of a super block of a tile. Each group's scales are less those of
// the next: by these super_rows multiplies sums that run on from group to group.
template <class Dot, PackedFormat F>
struct SuperScales {
  static constexpr PackedFormatInfo info = packed_info(F);
  static constexpr int groups = kSuperInputs / info.group;
  static constexpr int kQuarterScales = Dot::kScaleVectors / 2 * 4;
  alignas(16) int32_t scales[groups][4][kQuarterScales];
  alignas(16) int16_t minimums[groups][kTileOutputs];

  PITH_INLINE explicit SuperScales(const uint8_t* tile) {
    const uint8_t* packed_scales = tile + 64;
    int16x8_t next[2] = {vdupq_n_s16(0), vdupq_n_s16(0)};
    for (int g = groups - 1; g >= 0; --g) {
      const uint8x16_t bytes = vld1q_u8(packed_scales + g * kTileOutputs);
      const int16x8_t own[2] = {widen(vget_low_u8(bytes)), widen(vget_high_u8(bytes))};
      for (int v = 0; v < 2; ++v) {
        place_scales(vsubq_s16(own[v], next[v]), scales[g] + 2 * v);
        next[v] = own[v];
      }
    }
    if constexpr (info.has_min) {
      const uint8_t* packed_minimums = packed_scales + groups * kTileOutputs;
      for (int g = 0; g < groups; g += 2) {
        const uint8x16x2_t two = vld2q_u8(packed_minimums + g * kTileOutputs);
        for (int odd = 0; odd < 2; ++odd) {
          vst1q_s16(minimums[g + odd], widen(vget_low_u8(two.val[odd])));
          vst1q_s16(minimums[g + odd] + 8, widen(vget_high_u8(two.val[odd])));
        }
      }
    }
  }

 private:
  static PITH_INLINE int16x8_t widen(uint8x8_t bytes) {
    return info.has_min ? vreinterpretq_s16_u16(vmovl_u8(bytes))
                        : vmovl_s8(vreinterpret_s8_u8(bytes));
  }
  static PITH_INLINE void place_scales(int16x8_t two_quarters, int32_t (*out)[kQuarterScales]) {
    Dot::place_scales(vmovl_s16(vget_low_s16(two_quarters)), out[0]);
    Dot::place_scales(vmovl_s16(vget_high_s16(two_quarters)), out[1]);
  }
};

// sums over the groups of minimum x activations, for 8 outputs from `output` on.
template <int Groups>
PITH_INLINE void multiply_minimums(const int16_t (*minimums)[kTileOutputs], int output,
                                   const int16_t* sums, size_t stride, int32x4_t out[2]) {
  out[0] = out[1] = vdupq_n_s32(0);
  for (int g = 0; g < Groups; g += 2) {
    const int16x4_t pair =
        vreinterpret_s16_s32(vld1_dup_s32(reinterpret_cast<const int32_t*>(sums + g * stride)));
    const int16x8_t even = vld1q_s16(minimums[g] + output);
    const int16x8_t odd = vld1q_s16(minimums[g + 1] + output);
    out[0] = vmlal_lane_s16(out[0], vget_low_s16(even), pair, 0);
    out[1] = vmlal_high_lane_s16(out[1], even, pair, 0);
    out[0] = vmlal_lane_s16(out[0], vget_low_s16(odd), pair, 1);
    out[1] = vmlal_high_lane_s16(out[1], odd, pair, 1);
  }
}

PITH_INLINE int32x4_t multiply_add_wrapping(int32x4_t sum, int32x4_t a, int32x4_t b) {
  return vreinterpretq_s32_u32(
      vmlaq_u32(vreinterpretq_u32_s32(sum), vreinterpretq_u32_s32(a), vreinterpretq_u32_s32(b)));
}

template <class Dot, PackedFormat F, int Rows>
void super_rows(const SuperScales<Dot, F>& all, const typename Dot::Weight* weights,
                const uint8_t* tile, const RowGroup& a) {
  constexpr PackedFormatInfo info = packed_info(F);
  constexpr int count = Dot::sums(Rows);
  for (int half = 0; half < 2; ++half) {
    // dot runs on, so that it need not be set to zero for each group: with D its value after a
    // group, sum over g of scale_g (D_g - D_(g-1)) = sum over g of D_g (scale_g - scale_(g+1)).
    // On the way there `scaled` may wrap around, what it comes to fits.
    int32x4_t dot[count];
    int32x4_t scaled[count];
    for (int i = 0; i < count; ++i) dot[i] = scaled[i] = vdupq_n_s32(0);
    const auto add = [&](int group) {
      const int32_t* scales = all.scales[group][2 * half];
#pragma GCC unroll 8
      for (int i = 0; i < count; ++i) {
        const int32x4_t scale = vld1q_s32(scales + i % Dot::kScaleVectors * 4);
        scaled[i] = multiply_add_wrapping(scaled[i], dot[i], scale);
        // GCC would go on with dot first, for which it copies it.
        if constexpr (Dot::kMatrices && info.group == 16) asm("" : "+w"(dot[i]), "+w"(scaled[i]));
      }
    };
    const typename Dot::Weight* w = weights + half * Dot::kHalf;
    const int8_t* q = a.q;
    for (int b = 0; b < kChunkBlocks; ++b, w += Dot::kBlock, q += a.stride * kBlockInputs) {
      if constexpr (info.group == 32) {
        Dot::template multiply<Rows, 0, 2>(w, q, dot);
        add(b);
      } else {
        Dot::template multiply<Rows, 0, 1>(w, q, dot);
        add(2 * b);
        Dot::template multiply<Rows, 1, 2>(w, q, dot);
        add(2 * b + 1);
      }
    }
    int32x4_t whole[Rows][2];
    Dot::template rows<Rows>(scaled, whole);
    for (int m = 0; m < Rows; ++m) {
      int32x4_t minimum[2];
      if constexpr (info.has_min) {
        multiply_minimums<SuperScales<Dot, F>::groups>(all.minimums, 8 * half, a.sums + 2 * m,
                                                       a.stride, minimum);
      }
      for (int v = 0; v < 2; ++v) {
        const int output = 8 * half + 4 * v;
        float32x4_t value = vmulq_f32(unshifted<F>(whole[m][v]), load_half4(tile + 2 * output));
        if constexpr (info.has_min) {
          value = vfmsq_f32(value, vcvtq_f32_s32(minimum[v]), load_half4(tile + 32 + 2 * output));
        }
        float* acc = a.acc[m] + output;
        vst1q_f32(acc, vfmaq_n_f32(vld1q_f32(acc), value, a.scales[m]));
      }
    }
  }
}

// `blocks` blocks of an s format: `scales` and `minimums` are theirs.
template <class Dot, PackedFormat F, int Rows>
void simple_rows(const typename Dot::Weight* weights, const uint8_t* scales,
                 const uint8_t* minimums, size_t blocks, const RowGroup& a) {
  constexpr PackedFormatInfo info = packed_info(F);
  constexpr int count = Dot::sums(Rows);
  for (int half = 0; half < 2; ++half) {
    float32x4_t sum[Rows][2];
    for (int m = 0; m < Rows; ++m) {
      for (int v = 0; v < 2; ++v) sum[m][v] = vld1q_f32(a.acc[m] + 8 * half + 4 * v);
    }
    const typename Dot::Weight* w = weights + half * Dot::kHalf;
    for (size_t b = 0; b < blocks; ++b, w += Dot::kBlock) {
      const size_t cell = b * a.stride;
      int32x4_t dot[count];
      for (int i = 0; i < count; ++i) dot[i] = vdupq_n_s32(0);
      Dot::template multiply<Rows, 0, 2>(w, a.q + cell * kBlockInputs, dot);
      int32x4_t whole[Rows][2];
      Dot::template rows<Rows>(dot, whole);
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        const size_t at = b * 32 + static_cast<size_t>(16 * half + 8 * v);
        const float32x4_t weight_scale = load_half4(scales + at);
#pragma GCC unroll 4
        for (int m = 0; m < Rows; ++m) {
          const float32x4_t scale = vmulq_n_f32(weight_scale, a.scales[cell + m]);
          sum[m][v] = vfmaq_f32(sum[m][v], unshifted<F>(whole[m][v]), scale);
          if constexpr (info.has_min) {
            sum[m][v] = vfmaq_n_f32(sum[m][v], load_half4(minimums + at), a.scaled_sums[cell + m]);
          }
        }
      }
    }
    for (int m = 0; m < Rows; ++m) {
      for (int v = 0; v < 2; ++v) vst1q_f32(a.acc[m] + 8 * half + 4 * v, sum[m][v]);
    }
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

// Rows of super block s from row m of a panel of `rows` rows on, whose first is row `first`.
template <PackedFormat F>
PITH_INLINE RowGroup super_group(const MatmulArgs& args, size_t first, size_t rows, size_t s,
                                 size_t m) {
  constexpr size_t group = packed_info(F).group;
  const size_t n = args.inputs;
  const QuantizedRows& all = args.quantized;
  RowGroup a{};
  a.stride = rows;
  a.q = all.q + first * n + (s * kChunkBlocks * rows + m) * kBlockInputs;
  a.scales = all.scales + first * (n / kSuperInputs) + s * rows + m;
  a.sums = (group == 16 ? all.sums16 : all.sums32) + first * n / group +
           s * (kSuperInputs / group) * rows + 2 * m;
  return a;
}

// The same for blocks from b on.
PITH_INLINE RowGroup simple_group(const MatmulArgs& args, size_t first, size_t rows, size_t b,
                                  size_t m) {
  const size_t cell = first * (args.inputs / kBlockInputs) + b * rows + m;
  RowGroup a{};
  a.stride = rows;
  a.q = args.quantized.q + cell * kBlockInputs;
  a.scales = args.quantized.scales + cell;
  a.scaled_sums = args.quantized.scaled_sums + cell;
  return a;
}

// One tile against a panel of `rows` rows whose first is row `first` of the step.
template <class Dot, PackedFormat F>
void super_panel(const uint8_t* tile, const MatmulArgs& args, size_t first, size_t rows,
                 float (*acc)[kTileOutputs]) {
  alignas(16) int8_t weights[kSuperInputs * kTileOutputs];
  for (size_t s = 0; s < args.inputs / kSuperInputs; ++s, tile += super_bytes(F)) {
    const SuperScales<Dot, F> scales(tile);
    unpack_blocks<Dot, F>(tile + super_header_bytes(F), kChunkBlocks, weights);
    for_row_groups(rows, [&]<int Rows>(size_t m) {
      RowGroup a = super_group<F>(args, first, rows, s, m);
      a.acc = acc + m;
      super_rows<Dot, F, Rows>(scales, weights, tile, a);
    });
  }
}

template <class Dot, PackedFormat F>
void simple_panel(const uint8_t* tile, const MatmulArgs& args, size_t first, size_t rows,
                  float (*acc)[kTileOutputs]) {
  const size_t blocks = args.inputs / kBlockInputs;
  const uint8_t* minimums = tile + simple_column_bytes(args.inputs);
  const uint8_t* packed = tile + simple_header_bytes(F, args.inputs);
  alignas(16) int8_t weights[kSuperInputs * kTileOutputs];
  for (size_t b0 = 0; b0 < blocks; b0 += kChunkBlocks) {
    const size_t count = blocks - b0 < kChunkBlocks ? blocks - b0 : kChunkBlocks;
    unpack_blocks<Dot, F>(packed + b0 * block_bytes(F), count, weights);
    for_row_groups(rows, [&]<int Rows>(size_t m) {
      RowGroup a = simple_group(args, first, rows, b0, m);
      a.acc = acc + m;
      simple_rows<Dot, F, Rows>(weights, tile + b0 * 32, minimums + b0 * 32, count, a);
    });
  }
}

// One tile against row `first`, alone in its panel.
template <PackedFormat F>
void super_row(const uint8_t* tile, const MatmulArgs& args, size_t first,
               float (*acc)[kTileOutputs]) {
  for (size_t s = 0; s < args.inputs / kSuperInputs; ++s, tile += super_bytes(F)) {
    RowGroup a = super_group<F>(args, first, 1, s, 0);
    a.acc = acc;
    super_rows<Alone<F>, F, 1>(SuperScales<Alone<F>, F>(tile), tile + super_header_bytes(F), tile,
                               a);
  }
}

template <PackedFormat F>
void simple_row(const uint8_t* tile, const MatmulArgs& args, size_t first,
                float (*acc)[kTileOutputs]) {
  RowGroup a = simple_group(args, first, 1, 0, 0);
  a.acc = acc;
  simple_rows<Alone<F>, F, 1>(tile + simple_header_bytes(F, args.inputs), tile,
                              tile + simple_column_bytes(args.inputs), args.inputs / kBlockInputs,
                              a);
}

template <PackedFormat F>
PITH_INLINE float32x4_t load_weights(const uint8_t* p) {
  if constexpr (F == PackedFormat::f32) return vreinterpretq_f32_u8(vld1q_u8(p));
  if constexpr (F == PackedFormat::f16) return load_half4(p);
  return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}

template <PackedFormat F>
void float_panel(const uint8_t* tile, const MatmulArgs& args, size_t first, size_t rows,
                 float (*acc)[kTileOutputs]) {
  constexpr size_t bytes = static_cast<size_t>(packed_info(F).bits) / 8;
  for_row_groups(rows, [&]<int Rows>(size_t m0) {
    const float* x = args.floats + (first + m0) * args.inputs;
    float32x4_t sum[Rows][4];
    for (int m = 0; m < Rows; ++m) {
      for (int v = 0; v < 4; ++v) sum[m][v] = vdupq_n_f32(0);
    }
    for (size_t i = 0; i < args.inputs; ++i) {
      float32x4_t w[4];
      for (size_t v = 0; v < 4; ++v) {
        w[v] = load_weights<F>(tile + (i * kTileOutputs + 4 * v) * bytes);
      }
#pragma GCC unroll 4
      for (int m = 0; m < Rows; ++m) {
        const float xm = x[m * args.inputs + i];
        for (int v = 0; v < 4; ++v) sum[m][v] = vfmaq_n_f32(sum[m][v], w[v], xm);
      }
    }
    for (int m = 0; m < Rows; ++m) {
      for (int v = 0; v < 4; ++v) vst1q_f32(acc[m0 + m] + 4 * v, sum[m][v]);
    }
  });
}

// `Many` makes the dot products of panels of several rows.
template <class Many, PackedFormat F>
void tile_panel(const MatmulArgs& args, size_t t, size_t first, size_t rows) {
  const uint8_t* tile = args.tiles + t * tile_bytes(F, args.inputs);
  alignas(16) float acc[kPanelRows][kTileOutputs] = {};
  if constexpr (is_float(F)) {
    float_panel<F>(tile, args, first, rows, acc);
  } else if constexpr (is_super(F)) {
    rows == 1 ? super_row<F>(tile, args, first, acc)
              : super_panel<Many, F>(tile, args, first, rows, acc);
  } else {
    rows == 1 ? simple_row<F>(tile, args, first, acc)
              : simple_panel<Many, F>(tile, args, first, rows, acc);
  }
  const size_t left = args.outputs - t * kTileOutputs;
  for (size_t m = 0; m < rows; ++m) {
    for (size_t o = 0; o < kTileOutputs && o < left; o += 4) {
      float* out = args.out + (first + m) * args.out_stride + t * kTileOutputs + o;
      float32x4_t value = vld1q_f32(acc[m] + o);
      if (args.accumulate) value = vaddq_f32(load_first(out, left - o), value);
      store_first(out, left - o, value);
    }
  }
}

template <class Many, PackedFormat F>
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
      for (size_t t = t0; t < t1; ++t) tile_panel<Many, F>(args, t, first, rows);
    }
  }
}

}  // namespace
}  // namespace pith
