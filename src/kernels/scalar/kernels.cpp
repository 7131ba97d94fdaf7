// The reference: what every other ISA is tested against. Plain loops in the order
// that the vector kernels use: per output, blocks ascending, fused multiply-adds
// where they have them, so that quantised products are the same bits everywhere.
#include "kernels/kernels.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "tensor/half.h"

namespace pith {
namespace {

float half_at(const uint8_t* p, size_t index) {
  uint16_t bits;
  std::memcpy(&bits, p + 2 * index, sizeof bits);
  return float_from_half(bits);
}

// The stored weight (offset still in it) of `output` and input `i` of a block.
int stored_weight(int bits, const uint8_t* planes, int output, int i) {
  const int vector = i / 4;
  const size_t at = static_cast<size_t>(output) * 4 + static_cast<size_t>(i % 4);
  if (bits == 8) return planes[static_cast<size_t>(vector) * 64 + at];
  int value = 0;
  int high_shift = 0;
  if (bits >= 4) {
    value = planes[static_cast<size_t>(vector % 4) * 64 + at] >> (vector / 4 * 4) & 15;
    planes += 256;
    high_shift = 4;
  }
  if (bits == 5) value |= (planes[at] >> vector & 1) << high_shift;
  if (bits == 6 || bits == 2) {
    value |= (planes[static_cast<size_t>(vector / 4) * 64 + at] >> (vector % 4 * 2) & 3)
             << high_shift;
  }
  return value;
}

// Where a row of the step stands.
struct Place {
  size_t first;  // row of the panel's start
  size_t rows;   // of the panel: R
  size_t index;  // in the panel
};

Place place_of(size_t rows, size_t row) {
  const size_t panel = panel_of(rows, row);
  const size_t first = panel_begin(rows, panel);
  return {first, panel_begin(rows, panel + 1) - first, row - first};
}

template <PackedFormat F>
float dot_super(const uint8_t* tile, int output, const MatmulArgs& args, size_t row) {
  constexpr PackedFormatInfo info = packed_info(F);
  constexpr int groups = kSuperInputs / info.group;
  const size_t n = args.inputs;
  const QuantizedRows& a = args.quantized;
  const Place at = place_of(args.rows, row);
  float acc = 0;
  for (size_t s = 0; s < n / kSuperInputs; ++s, tile += super_bytes(F)) {
    const uint8_t* scales = tile + 64;
    const uint8_t* minimums = scales + groups * kTileOutputs;
    const uint8_t* weights = tile + super_header_bytes(F);
    int32_t scaled = 0;
    int32_t minimum = 0;
    for (int g = 0; g < groups; ++g) {
      int32_t dot = 0;
      for (int i = g * info.group; i < (g + 1) * info.group; ++i) {
        const size_t block = s * 8 + i / kBlockInputs;
        const int weight = stored_weight(info.bits, weights + i / kBlockInputs * block_bytes(F),
                                         output, i % kBlockInputs);
        dot += (weight - info.offset) *
               a.q[at.first * n + (block * at.rows + at.index) * 32 + i % kBlockInputs];
      }
      const uint8_t scale = scales[g * kTileOutputs + output];
      scaled += dot * (F == PackedFormat::k6 ? static_cast<int8_t>(scale) : scale);
      if (info.has_min) {
        const int16_t* sums = (info.group == 16 ? a.sums16 : a.sums32) + at.first * n / info.group;
        const size_t pair = (s * groups + g) / 2 * at.rows + at.index;
        minimum += minimums[(g / 2 * kTileOutputs + output) * 2 + g % 2] * sums[2 * pair + g % 2];
      }
    }
    float value = static_cast<float>(scaled) * half_at(tile, output);
    if (info.has_min) {
      value = std::fma(-static_cast<float>(minimum), half_at(tile + 32, output), value);
    }
    const float* row_scales = a.scales + at.first * (n / kSuperInputs);
    acc = std::fma(value, row_scales[s * at.rows + at.index], acc);
  }
  return acc;
}

template <PackedFormat F>
float dot_simple(const uint8_t* tile, int output, const MatmulArgs& args, size_t row) {
  constexpr PackedFormatInfo info = packed_info(F);
  const size_t blocks = args.inputs / kBlockInputs;
  const uint8_t* minimums = tile + simple_column_bytes(args.inputs);
  const uint8_t* weights = tile + simple_header_bytes(F, args.inputs);
  const QuantizedRows& a = args.quantized;
  const Place at = place_of(args.rows, row);
  float acc = 0;
  for (size_t b = 0; b < blocks; ++b, weights += block_bytes(F)) {
    const size_t cell = at.first * blocks + b * at.rows + at.index;
    const int8_t* q = a.q + cell * kBlockInputs;
    int32_t dot = 0;
    for (int i = 0; i < kBlockInputs; ++i) {
      dot += (stored_weight(info.bits, weights, output, i) - info.offset) * q[i];
    }
    const float scale = half_at(tile, b * kTileOutputs + output) * a.scales[cell];
    acc = std::fma(static_cast<float>(dot), scale, acc);
    if (info.has_min) {
      acc = std::fma(half_at(minimums, b * kTileOutputs + output), a.scaled_sums[cell], acc);
    }
  }
  return acc;
}

template <PackedFormat F>
float dot_float(const uint8_t* tile, int output, const MatmulArgs& args, size_t row) {
  float acc = 0;
  for (size_t i = 0; i < args.inputs; ++i) {
    const size_t at = i * kTileOutputs + output;
    float weight;
    if constexpr (F == PackedFormat::f32) {
      std::memcpy(&weight, tile + 4 * at, sizeof weight);
    } else {
      uint16_t bits;
      std::memcpy(&bits, tile + 2 * at, sizeof bits);
      weight = F == PackedFormat::f16 ? float_from_half(bits) : float_from_bf16(bits);
    }
    acc = std::fma(weight, args.floats[row * args.inputs + i], acc);
  }
  return acc;
}

template <PackedFormat F>
void matmul(const MatmulArgs& args) {
  for (size_t t = args.first_tile; t < args.end_tile; ++t) {
    const uint8_t* tile = args.tiles + t * tile_bytes(F, args.inputs);
    for (size_t row = 0; row < args.rows; ++row) {
      for (int o = 0; o < kTileOutputs; ++o) {
        const size_t output = t * kTileOutputs + o;
        if (output >= args.outputs) break;
        float* out = args.out + row * args.out_stride + output;
        float value;
        if constexpr (is_super(F))
          value = dot_super<F>(tile, o, args, row);
        else if constexpr (is_float(F))
          value = dot_float<F>(tile, o, args, row);
        else
          value = dot_simple<F>(tile, o, args, row);
        *out = args.accumulate ? *out + value : value;
      }
    }
  }
}

// 8-bit activations of n inputs under one scale; returns the scale. Multiplies by
// the inverse, as the vector kernels do.
float quantize_group(const float* x, size_t n, int8_t* q) {
  float largest = 0;
  for (size_t i = 0; i < n; ++i) largest = std::fmax(largest, std::fabs(x[i]));
  const float inverse = largest > kNoActivation ? 127.0f / largest : 0.0f;
  for (size_t i = 0; i < n; ++i) q[i] = static_cast<int8_t>(std::lrintf(x[i] * inverse));
  return largest / 127.0f;
}

int sum_of(const int8_t* q, size_t n) {
  int sum = 0;
  for (size_t i = 0; i < n; ++i) sum += q[i];
  return sum;
}

void quantize_super(const float* x, size_t n, const PanelRow& row) {
  const QuantizedRows& a = row.panel;
  int8_t q[kSuperInputs];
  for (size_t s = 0; s < n / kSuperInputs; ++s) {
    a.scales[s * row.rows + row.index] = quantize_group(x + s * kSuperInputs, kSuperInputs, q);
    for (size_t b = 0; b < 8; ++b) {
      const size_t cell = (s * 8 + b) * row.rows + row.index;
      std::memcpy(a.q + cell * 32, q + b * 32, 32);
      const int low = sum_of(q + b * 32, 16);
      const int high = sum_of(q + b * 32 + 16, 16);
      a.sums16[2 * cell] = static_cast<int16_t>(low);
      a.sums16[2 * cell + 1] = static_cast<int16_t>(high);
      for (size_t i = 0; i < 4; ++i) {
        a.neg_sums8[4 * cell + i] = static_cast<int16_t>(-32 * sum_of(q + b * 32 + 8 * i, 8));
      }
      const size_t pair = (s * 4 + b / 2) * row.rows + row.index;
      a.sums32[2 * pair + b % 2] = static_cast<int16_t>(low + high);
    }
  }
}

void quantize_simple(const float* x, size_t n, const PanelRow& row) {
  const QuantizedRows& a = row.panel;
  for (size_t b = 0; b < n / kBlockInputs; ++b) {
    const size_t cell = b * row.rows + row.index;
    int8_t* q = a.q + cell * kBlockInputs;
    a.scales[cell] = quantize_group(x + b * kBlockInputs, kBlockInputs, q);
    const int sum = sum_of(q, kBlockInputs);
    a.neg_sums[cell] = -sum;
    a.scaled_sums[cell] = a.scales[cell] * static_cast<float>(sum);
  }
}

void rms_norm(const float* x, const float* weight, float epsilon, size_t n, float* out) {
  float sum = 0;
  for (size_t i = 0; i < n; ++i) sum = std::fma(x[i], x[i], sum);
  const float factor = 1.0f / std::sqrt(sum / static_cast<float>(n) + epsilon);
  for (size_t i = 0; i < n; ++i) out[i] = x[i] * factor * weight[i];
}

float weigh(const float* x, const float* weight, size_t n, float* out) {
  float sum = 0;
  for (size_t i = 0; i < n; ++i) {
    sum = std::fma(x[i], x[i], sum);
    out[i] = x[i] * weight[i];
  }
  return sum;
}

void silu_mul(const float* gate, const float* up, size_t n, float* out) {
  for (size_t i = 0; i < n; ++i) out[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

void add(float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) x[i] += y[i];
}

void rope(float* head, const float* cosines, const float* sines, size_t head_size,
          bool interleaved) {
  const size_t half = head_size / 2;
  for (size_t i = 0; i < half; ++i) {
    float& a = head[interleaved ? 2 * i : i];
    float& b = head[interleaved ? 2 * i + 1 : i + half];
    const float rotated = a * cosines[i] - b * sines[i];
    b = b * cosines[i] + a * sines[i];
    a = rotated;
  }
}

float widened(float x) { return x; }
float widened(uint16_t half) { return float_from_half(half); }
float widened(int16_t x) { return static_cast<float>(x); }
float widened(int8_t x) { return static_cast<float>(x); }

template <class Element>
constexpr bool kPaired = std::is_same_v<Element, int16_t>;

template <class Element>
void attend_block(const AttendArgs& args, size_t b) {
  const KvBlock& block = args.blocks[b];
  const auto* keys = static_cast<const Element*>(block.keys);
  const auto* values = static_cast<const Element*>(block.values);
  const size_t size = args.head_size;
  for (size_t m = 0; m < args.queries; ++m) {
    const int visible = args.seen(b, m);
    if (visible == 0) continue;
    float scores[kKvBlock];
    float largest = -std::numeric_limits<float>::infinity();
    for (int j = 0; j < visible; ++j) {
      float score = 0;
      const float scale = block.key_scales ? block.key_scales[j] : 1.0f;
      for (size_t d = 0; d < size; ++d) {
        const size_t at = kPaired<Element> ? paired_key_at(d, j) : d * kKvBlock + j;
        score = std::fma(args.q[m * size + d], widened(keys[at]) * scale, score);
      }
      scores[j] = score;
      largest = std::fmax(largest, score);
    }
    const float max = std::fmax(args.max[m], largest);
    const float correction = std::exp(args.max[m] - max);
    float* out = args.out + m * size;
    for (size_t d = 0; d < size; ++d) out[d] *= correction;
    float sum = 0;
    for (int j = 0; j < visible; ++j) {
      const float weight = std::exp(scores[j] - max);
      const float scale = block.value_scales ? block.value_scales[j] : 1.0f;
      sum += weight;
      for (size_t d = 0; d < size; ++d) {
        const size_t at = kPaired<Element> ? paired_value_at(j, d, size) : j * size + d;
        out[d] = std::fma(weight, widened(values[at]) * scale, out[d]);
      }
    }
    args.sum[m] = args.sum[m] * correction + sum;
    args.max[m] = max;
  }
}

template <class Element>
void attend(const AttendArgs& args) {
  for (size_t b = 0; b < args.block_count; ++b) attend_block<Element>(args, b);
}

void to_half(const float* x, size_t n, uint16_t* out) {
  for (size_t i = 0; i < n; ++i) {
    out[i] = half_from_float(std::fmax(-65504.0f, std::fmin(65504.0f, x[i])));
  }
}

float max_of(const float* x, size_t n) {
  float largest = x[0];
  for (size_t i = 1; i < n; ++i) largest = std::fmax(largest, x[i]);
  return largest;
}

float log_sum_exp(const float* x, size_t n) {
  const float largest = max_of(x, n);
  float sum = 0;
  for (size_t i = 0; i < n; ++i) sum += std::exp(x[i] - largest);
  return largest + std::log(sum);
}

}  // namespace

const Kernels kScalarKernels = {
    .isa = Isa::scalar,
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
