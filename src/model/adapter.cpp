#include "model/adapter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "tensor/half.h"
#include "tensor/pack.h"

namespace pith {
namespace {

constexpr size_t kRankStep = kBlockInputs;

size_t padded(size_t rank) { return (rank + kRankStep - 1) / kRankStep * kRankStep; }

struct GroupRange {
  LayerMatrix first;
  size_t count;
};

GroupRange matrices_of(MatrixGroup group) {
  switch (group) {
    case MatrixGroup::attention_input:
      return {LayerMatrix::query, 3};
    case MatrixGroup::attention_output:
      return {LayerMatrix::attention_output, 1};
    case MatrixGroup::mlp_input:
      return {LayerMatrix::gate, 2};
    case MatrixGroup::mlp_output:
      return {LayerMatrix::down, 1};
  }
  PITH_CHECK(false);
}

LayerMatrix matrix_at(MatrixGroup group, size_t place) {
  return static_cast<LayerMatrix>(static_cast<size_t>(matrices_of(group).first) + place);
}

// The GGUF type whose packed format a precision is stored in.
DType storage_type(AdapterPrecision precision) {
  switch (precision) {
    case AdapterPrecision::f32:
      return DType::f32;
    case AdapterPrecision::f16:
      return DType::f16;
    case AdapterPrecision::int8:
      return DType::q8_0;
    case AdapterPrecision::int4:
      return DType::q4_0;
  }
  PITH_CHECK(false);
}

// A power of two that brings the largest of the values to [1, 2).
int exponent_of(const std::vector<float>& values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  return largest > 0 ? std::ilogb(largest) : 0;
}

void scale_by(std::vector<float>& values, double factor) {
  for (float& value : values) value = static_cast<float>(value * factor);
}

// ---- Rows of numbers as the blocks of a GGUF type

void store_half(uint8_t* out, uint16_t half) { std::memcpy(out, &half, sizeof half); }

// One scale for the whole row, repeated in each of its blocks.
void encode_int8(const float* row, size_t n, uint8_t* out) {
  float largest = 0;
  for (size_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(row[i]));
  const uint16_t scale = half_from_float(largest / 127);
  const float step = float_from_half(scale);
  const float inverse = step > 0 ? 1 / step : 0;
  for (size_t i = 0; i < n; ++i) {
    if (i % kBlockInputs == 0) {
      store_half(out, scale);
      out += sizeof scale;
    }
    const float q = std::clamp(std::nearbyint(row[i] * inverse), -127.0f, 127.0f);
    *out++ = static_cast<uint8_t>(static_cast<int8_t>(q));
  }
}

// The value that is largest in size becomes -8 times its block's scale.
void encode_int4(const float* row, size_t n, uint8_t* out) {
  constexpr size_t half_block = kBlockInputs / 2;
  for (size_t at = 0; at < n; at += kBlockInputs, row += kBlockInputs) {
    const float extreme = *std::max_element(
        row, row + kBlockInputs, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
    const uint16_t scale = half_from_float(extreme / -8);
    const float step = float_from_half(scale);
    const float inverse = step != 0 ? 1 / step : 0;
    const auto nibble = [&](size_t i) {
      return static_cast<uint8_t>(std::clamp(std::nearbyint(row[i] * inverse) + 8, 0.0f, 15.0f));
    };
    store_half(out, scale);
    out += sizeof scale;
    for (size_t i = 0; i < half_block; ++i) {
      *out++ = static_cast<uint8_t>(nibble(i) | nibble(i + half_block) << 4);
    }
  }
}

void encode_row(DType type, const float* row, size_t n, uint8_t* out) {
  switch (type) {
    case DType::f32:
      std::memcpy(out, row, n * sizeof(float));
      return;
    case DType::f16:
      for (size_t i = 0; i < n; ++i) store_half(out + 2 * i, half_from_float(row[i]));
      return;
    case DType::q8_0:
      return encode_int8(row, n, out);
    case DType::q4_0:
      return encode_int4(row, n, out);
    default:
      PITH_CHECK(false);
  }
}

// A matrix of floats on its way into the arena.
struct Floats {
  size_t rows;
  size_t columns;
  std::vector<float> values;  // [rows, columns]
};

// Packs one matrix after the other into the arena.
class Packer {
 public:
  Packer(DType type, uint8_t* arena, ThreadPool& pool) : type_(type), next_(arena), pool_(pool) {}

  void pack(const Floats& from, PackedMatrix& matrix) {
    const size_t bytes = row_bytes(type_, from.columns);
    encoded_.resize(from.rows * bytes);
    pool_.parallel_for(from.rows, 16, [&](size_t begin, size_t end, int) {
      for (size_t row = begin; row < end; ++row) {
        encode_row(type_, from.values.data() + row * from.columns, from.columns,
                   encoded_.data() + row * bytes);
      }
    });
    const size_t tile = tile_bytes(matrix.format, matrix.inputs);
    pool_.parallel_for(matrix.tile_count(), 4, [&](size_t begin, size_t end, int) {
      for (size_t t = begin; t < end; ++t) {
        pack_tile(type_, encoded_.data(), matrix.outputs, matrix.inputs, t, next_ + t * tile);
      }
    });
    matrix.tiles = next_;
    next_ += matrix.bytes();
  }

 private:
  DType type_;
  uint8_t* next_;
  ThreadPool& pool_;
  std::vector<uint8_t> encoded_;
};

// The shapes of a group's matrices, without their tiles.
AdapterGroup plan_group(const AdapterSource& source, const ModelConfig& config, int32_t layer,
                        MatrixGroup group, PackedFormat format) {
  AdapterGroup plan;
  size_t rows = 0;
  for (size_t place = 0; place < matrices_of(group).count; ++place) {
    const LayerMatrix matrix = matrix_at(group, place);
    const size_t rank = padded(source.rank(layer, matrix));
    if (rank == 0) continue;
    const size_t outputs = matrix_shape(config, matrix).outputs;
    plan.deltas.push_back({place, rows, 1, {format, outputs, rank, nullptr}});
    rows += rank;
  }
  plan.a = {format, rows, matrix_shape(config, matrices_of(group).first).inputs, nullptr};
  return plan;
}

size_t group_bytes(const AdapterGroup& group) {
  size_t bytes = group.a.bytes();
  for (const AdapterDelta& delta : group.deltas) bytes += delta.b.bytes();
  return bytes;
}

// B with rows of the padded rank.
Floats pad_columns(const std::vector<float>& b, size_t outputs, size_t rank, size_t columns) {
  Floats wide{outputs, columns, std::vector<float>(outputs * columns)};
  for (size_t row = 0; row < outputs; ++row) {
    std::copy_n(b.data() + row * rank, rank, wide.values.data() + row * columns);
  }
  return wide;
}

Status pack_group(const AdapterSource& source, int32_t layer, MatrixGroup which, Packer& packer,
                  AdapterGroup& group) {
  Floats a{group.a.outputs, group.a.inputs, std::vector<float>(group.a.outputs * group.a.inputs)};
  for (AdapterDelta& delta : group.deltas) {
    const LayerMatrix matrix = matrix_at(which, delta.place);
    PITH_TRY(LowRank pair, source.read(layer, matrix));
    int scale_exponent = 0;
    const double scale = std::frexp(pair.scale, &scale_exponent);
    const int a_exponent = exponent_of(pair.a);
    const int b_exponent = exponent_of(pair.b);
    scale_by(pair.a, std::ldexp(1.0, -a_exponent));
    scale_by(pair.b, std::ldexp(scale, -b_exponent));
    delta.gain = std::ldexp(1.0f, a_exponent + b_exponent + scale_exponent);
    std::copy(pair.a.begin(), pair.a.end(), a.values.data() + delta.offset * a.columns);
    packer.pack(pad_columns(pair.b, delta.b.outputs, source.rank(layer, matrix), delta.b.inputs),
                delta.b);
  }
  packer.pack(a, group.a);
  return {};
}

}  // namespace

std::string_view adapter_precision_name(AdapterPrecision precision) {
  switch (precision) {
    case AdapterPrecision::f32:
      return "f32";
    case AdapterPrecision::f16:
      return "f16";
    case AdapterPrecision::int8:
      return "int8";
    case AdapterPrecision::int4:
      break;
  }
  return "int4";
}

bool Adapter::fits(const ModelConfig& config) const {
  if (layers_.size() != static_cast<size_t>(config.layers)) return false;
  for (int i = 0; i < kLayerMatrices; ++i) {
    const MatrixShape shape = matrix_shape(config, static_cast<LayerMatrix>(i));
    const MatrixShape& own = shapes_[static_cast<size_t>(i)];
    if (shape.outputs != own.outputs || shape.inputs != own.inputs) return false;
  }
  return true;
}

Result<std::shared_ptr<const Adapter>> Adapter::load(const AdapterSource& source,
                                                     const ModelConfig& config,
                                                     AdapterPrecision precision, ThreadPool& pool) {
  const DType type = storage_type(precision);
  const PackedFormat format = packed_format_of(type);
  std::shared_ptr<Adapter> adapter(new Adapter);
  adapter->invocation_tokens_ = source.invocation_tokens();
  for (int i = 0; i < kLayerMatrices; ++i) {
    const MatrixShape shape = matrix_shape(config, static_cast<LayerMatrix>(i));
    adapter->shapes_[static_cast<size_t>(i)] = shape;
    if (!is_float(format) && shape.inputs % kBlockInputs != 0) {
      return fail(ErrorCode::unsupported,
                  "an adapter in {} needs a model whose widths are multiples of {}, not {}; take "
                  "f16",
                  precision == AdapterPrecision::int8 ? "int8" : "int4", kBlockInputs,
                  shape.inputs);
    }
  }

  size_t bytes = 0;
  adapter->layers_.resize(static_cast<size_t>(config.layers));
  for (int32_t layer = 0; layer < config.layers; ++layer) {
    for (int g = 0; g < kMatrixGroups; ++g) {
      AdapterGroup& group = adapter->layers_[static_cast<size_t>(layer)][static_cast<size_t>(g)];
      group = plan_group(source, config, layer, static_cast<MatrixGroup>(g), format);
      bytes += group_bytes(group);
      adapter->row_floats_ = std::max(adapter->row_floats_, group.a.outputs);
    }
    for (int i = 0; i < kLayerMatrices; ++i) {
      adapter->rank_ = std::max(adapter->rank_, source.rank(layer, static_cast<LayerMatrix>(i)));
    }
  }
  PITH_TRY(adapter->arena_, Pages::allocate(bytes, "the adapter"));
  Packer packer(type, adapter->arena_.data(), pool);
  for (int32_t layer = 0; layer < config.layers; ++layer) {
    for (int g = 0; g < kMatrixGroups; ++g) {
      AdapterGroup& group = adapter->layers_[static_cast<size_t>(layer)][static_cast<size_t>(g)];
      if (group.deltas.empty()) continue;
      PITH_TRY_VOID(pack_group(source, layer, static_cast<MatrixGroup>(g), packer, group));
    }
  }
  return adapter;
}

}  // namespace pith
