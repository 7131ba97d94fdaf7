// The inner loops: one table of functions per instruction set.
//
// Every function is a pure loop over memory that the caller owns: no allocation,
// no errors, any number of threads at once on disjoint outputs. All float sums
// have a fixed order that depends on nothing but the lengths, so that a row's
// result is the same bits in any batch. Different instruction sets may round
// differently, except where a comment says "same bits on every ISA".
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/isa.h"
#include "tensor/packed.h"

namespace pith {

// A step's T rows are cut into panels of at most 16, the rows that one pass over
// a weight tile serves. Within a panel of R rows, activations are interleaved by
// block, so that a kernel reads them with one pointer and constant offsets.
inline constexpr size_t kPanelRows = 16;
static constexpr size_t panel_count(size_t rows) { return (rows + kPanelRows - 1) / kPanelRows; }
static constexpr size_t panel_begin(size_t rows, size_t panel) {
  return rows * panel / panel_count(rows);
}

// The panel that a row is in.
static constexpr size_t panel_of(size_t rows, size_t row) {
  size_t panel = row * panel_count(rows) / rows;  // exact or one too low
  if (panel_begin(rows, panel + 1) <= row) ++panel;
  return panel;
}

// Inputs of which none is larger than this become q = 0, or 127 / x could overflow.
inline constexpr float kNoActivation = 0x1p-120f;

// Activations in 8 bits: x ~ scale * q, |q| <= 127. For k formats one scale covers
// 256 inputs, for s formats 32. The sums are what formats with an offset or a
// minimum need beside the dot product. Each array holds the panels one after the
// other; shapes are those of one panel of R rows, which starts at
// panel_begin() * (elements of a row).
struct QuantizedRows {
  int8_t* q;           // [inputs / 32, R, 32]
  float* scales;       // k: [inputs / 256, R]       s: [inputs / 32, R]
  int16_t* sums16;     // k: [inputs / 32, R, 2], sums of q over 16 inputs
  int16_t* sums32;     // k: [inputs / 64, R, 2], sums of q over 32 inputs
  int16_t* neg_sums8;  // k: [inputs / 32, R, 4], -32 * sums of q over 8 inputs; kernels read
                       // 2 bytes beyond the end
  int32_t* neg_sums;   // s: [inputs / 32, R], -sum of q over 32
  float* scaled_sums;  // s: [inputs / 32, R], scale * sum of q over 32
};

// The row at `index` of panel `panel` among `rows` rows, for quantize_*.
struct PanelRow {
  QuantizedRows panel;  // pointers to the panel's start
  size_t rows;          // R
  size_t index;         // 0 to R - 1
};

// out[t, o] = sum over i of weight[o, i] * activation[t, i] for the outputs of
// tiles [first_tile, end_tile).
struct MatmulArgs {
  const uint8_t* tiles = nullptr;  // tile 0 of the matrix
  size_t inputs = 0;
  size_t outputs = 0;  // of the matrix; none beyond it is written
  size_t first_tile = 0;
  size_t end_tile = 0;
  size_t rows = 0;                // T
  QuantizedRows quantized{};      // for k and s formats; pointers to panel 0
  const float* floats = nullptr;  // [T, inputs], for float formats
  float* out = nullptr;           // [T, out_stride]
  size_t out_stride = 0;
  bool accumulate = false;  // out += instead of out =
};

// One KV block: 64 positions of one KV head of one layer. Keys are [D, 64], values
// [64, D]; 16-bit integers stand in pairs, as their dot products take them: keys
// [D / 2, 64, 2], values [32, D, 2].
inline constexpr int kKvBlock = 64;
static constexpr size_t paired_key_at(size_t d, size_t position) {
  return (d / 2 * kKvBlock + position) * 2 + d % 2;
}
static constexpr size_t paired_value_at(size_t position, size_t d, size_t head_size) {
  return (position / 2 * head_size + d) * 2 + position % 2;
}

// 16-bit keys and values are at most these, so that sums over 256 channels (with a
// query of 32767 at most and a sum of magnitudes of 262,000) and over 64 positions
// (weights of 8191 at most) fit 32 bits.
inline constexpr int kInt16KeyLimit = 8191;
inline constexpr int kInt16ValueLimit = 4095;

struct KvBlock {
  const void* keys = nullptr;           // float, fp16, int16 or int8
  const void* values = nullptr;         // the same
  const float* key_scales = nullptr;    // [64], integers only
  const float* value_scales = nullptr;  // [64], integers only
};

// Attends `queries` query vectors to KV blocks, one after the other, and folds the result
// into their running softmax: max, sum, out (out is not yet divided by sum). Start with
// max = -infinity, sum = 0, out = 0. All queries see all positions of all blocks but the
// last one, of which query m sees the first visible[m] (0: its state stays as it is).
// Calls for parts of the blocks, in order, give the same bits.
struct AttendArgs {
  const float* q = nullptr;          // [queries, D], times 1 / sqrt(D)
  const KvBlock* blocks = nullptr;   // [block_count]
  const int32_t* visible = nullptr;  // [queries], 0 to 64
  size_t block_count = 0;
  size_t queries = 0;
  size_t head_size = 0;      // D, a multiple of 2, at most 256
  float* max = nullptr;      // [queries]
  float* sum = nullptr;      // [queries]
  float* out = nullptr;      // [queries, D]
  float* scratch = nullptr;  // attend_scratch_floats(queries, D)

  // The positions of a block that a query sees.
  int32_t seen(size_t block, size_t query) const {
    return block + 1 < block_count ? kKvBlock : visible[query];
  }
  int32_t most_seen(size_t block) const {
    int32_t most = 0;
    for (size_t m = 0; m < queries; ++m) {
      if (seen(block, m) > most) most = seen(block, m);
    }
    return most;
  }
};

// D is rounded up to whole vectors in scratch: a block's keys and values in floats, and of
// each query its scores, or itself in 16 bits with a scale.
static constexpr size_t attend_scratch_floats(size_t queries, size_t head_size) {
  const size_t size = (head_size + 15) / 16 * 16;
  const size_t rounded = size / 2 + 1;
  const size_t of_query = rounded > kKvBlock ? rounded : kKvBlock;
  return size * kKvBlock * 2 + queries * of_query;
}

struct Kernels {
  Isa isa;

  // By PackedFormat. Same bits on every ISA.
  void (*matmul[kPackedFormats])(const MatmulArgs& args);

  // One row of activations into its panel; n a multiple of 256 (super, for k
  // formats) or 32 (simple, for s formats). Same bits on every ISA. NaN and
  // infinity give unspecified numbers, not traps.
  void (*quantize_super)(const float* x, size_t n, const PanelRow& row);
  void (*quantize_simple)(const float* x, size_t n, const PanelRow& row);

  // out = x / sqrt(mean(x^2) + epsilon) * weight; out may be x.
  void (*rms_norm)(const float* x, const float* weight, float epsilon, size_t n, float* out);
  // out = x * weight; returns the sum of the squares of x. The rest of an RMS norm is a
  // factor a row.
  float (*weigh)(const float* x, const float* weight, size_t n, float* out);
  // out = silu(gate) * up; out may be gate or up.
  void (*silu_mul)(const float* gate, const float* up, size_t n, float* out);
  // x += y
  void (*add)(float* x, const float* y, size_t n);
  // Rotates one head in place: pairs (i, i + D/2), or (2i, 2i + 1) when interleaved.
  void (*rope)(float* head, const float* cosines, const float* sines, size_t head_size,
               bool interleaved);

  void (*attend_f32)(const AttendArgs& args);
  void (*attend_f16)(const AttendArgs& args);
  void (*attend_int16)(const AttendArgs& args);
  void (*attend_int8)(const AttendArgs& args);

  // fp16 of n floats, rounded to nearest even, clamped to +-65504.
  void (*to_half)(const float* x, size_t n, uint16_t* out);

  float (*max)(const float* x, size_t n);  // n >= 1
  // log(sum(exp(x))), stable; n >= 1.
  float (*log_sum_exp)(const float* x, size_t n);
};

// The table of an ISA; it must be one of available_isas() (CHECKed).
const Kernels& kernels_for(Isa isa);

// Each defined by its own translation unit, present where the compiler targets it.
extern const Kernels kScalarKernels;
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
extern const Kernels kNeonKernels;
extern const Kernels kI8mmKernels;

}  // namespace pith
