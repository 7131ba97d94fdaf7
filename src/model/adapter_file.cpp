#include "model/adapter_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace pith {
namespace {

constexpr double kMaxScale = 1e6;

// Row r of a head of size D in one order, as its index in the other.
size_t interleaved_index(size_t row, size_t head_size) {
  const size_t within = row % head_size;
  return row - within + within % (head_size / 2) * 2 + within / (head_size / 2);
}

}  // namespace

FileAdapter::FileAdapter(std::string path, const ModelConfig& config,
                         std::shared_ptr<const void> file, bool halves)
    : path_(std::move(path)),
      config_(config),
      file_(std::move(file)),
      halves_(halves),
      layers_(static_cast<size_t>(config.layers)) {}

FileAdapter::Entry& FileAdapter::at(int32_t layer, LayerMatrix matrix) {
  return layers_[static_cast<size_t>(layer)][static_cast<size_t>(matrix)];
}

const FileAdapter::Entry& FileAdapter::at(int32_t layer, LayerMatrix matrix) const {
  return layers_[static_cast<size_t>(layer)][static_cast<size_t>(matrix)];
}

tl::unexpected<Error> FileAdapter::corrupt(std::string_view what) const {
  return fail(ErrorCode::corrupt, "{}: {}", printable(path_, 400), what);
}

Status FileAdapter::add(const FactorId& id, FactorTensor tensor) {
  const MatrixShape shape = matrix_shape(config_, id.matrix);
  const bool is_a = id.factor == Factor::a;
  const uint64_t rank = is_a ? tensor.rows : tensor.columns;
  const uint64_t other = is_a ? tensor.columns : tensor.rows;
  const size_t needed = is_a ? shape.inputs : shape.outputs;
  if (other != needed) {
    return corrupt(
        fmt::format("tensor '{}' has {} {}, this model's matrix has {}: it is an "
                    "adapter for another model",
                    printable(tensor.name), other, is_a ? "inputs" : "outputs", needed));
  }
  if (rank < 1 || rank > kMaxAdapterRank) {
    return corrupt(fmt::format("tensor '{}' has the rank {}, not 1 to {}", printable(tensor.name),
                               rank, kMaxAdapterRank));
  }
  at(id.layer, id.matrix).factors[static_cast<size_t>(id.factor)] = std::move(tensor);
  return {};
}

Status FileAdapter::check_pairs() const {
  bool any = false;
  for (const auto& layer : layers_) {
    for (const Entry& entry : layer) {
      const auto& [a, b] = entry.factors;
      if (a.name.empty() && b.name.empty()) continue;
      any = true;
      if (a.name.empty() || b.name.empty()) {
        return corrupt(fmt::format("tensor '{}' lacks its other factor",
                                   printable(a.name.empty() ? b.name : a.name)));
      }
      if (a.rows == b.columns) continue;
      return corrupt(fmt::format("tensor '{}' has the rank {}, '{}' has {}", printable(a.name),
                                 a.rows, printable(b.name), b.columns));
    }
  }
  return any ? Status() : corrupt("it adapts no matrix at all");
}

Status FileAdapter::set_scale(int32_t layer, LayerMatrix matrix, double scale) {
  if (!(std::fabs(scale) <= kMaxScale)) {
    return corrupt(fmt::format("it is scaled by alpha / rank = {}", scale));
  }
  at(layer, matrix).scale = scale;
  return {};
}

Status FileAdapter::set_invocation_tokens(std::vector<int64_t> tokens) {
  for (const int64_t token : tokens) {
    if (token < 0 || token >= config_.vocabulary) {
      return corrupt(fmt::format("its invocation token {} is not in the model's vocabulary of {}",
                                 token, config_.vocabulary));
    }
    invocation_tokens_.push_back(static_cast<int32_t>(token));
  }
  return {};
}

size_t FileAdapter::rank(int32_t layer, LayerMatrix matrix) const {
  return at(layer, matrix).factors[0].rows;
}

Result<std::vector<float>> FileAdapter::floats(const FactorTensor& tensor) const {
  std::vector<float> values(tensor.rows * tensor.columns);
  dequantize_row(tensor.type, tensor.data.data(), values.data(), values.size());
  if (std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); })) {
    return values;
  }
  return corrupt(
      fmt::format("tensor '{}' holds values that are not finite numbers", printable(tensor.name)));
}

Result<LowRank> FileAdapter::read(int32_t layer, LayerMatrix matrix) const {
  const Entry& entry = at(layer, matrix);
  LowRank pair;
  pair.scale = entry.scale;
  PITH_TRY(pair.a, floats(entry.factors[0]));
  PITH_TRY(pair.b, floats(entry.factors[1]));
  const size_t heads = halves_ ? rotated_heads(config_, matrix) : 0;
  if (heads > 0) {
    pair.b = interleave_halves(pair.b, heads, rank(layer, matrix));
  }
  return pair;
}

size_t rotated_heads(const ModelConfig& config, LayerMatrix matrix) {
  if (!config.rope_interleaved) return 0;
  if (matrix == LayerMatrix::query) return static_cast<size_t>(config.query_heads);
  return matrix == LayerMatrix::key ? static_cast<size_t>(config.kv_heads) : 0;
}

std::vector<float> interleave_halves(std::span<const float> rows, size_t heads, size_t columns) {
  const size_t head_size = rows.size() / columns / heads;
  std::vector<float> moved(rows.size());
  for (size_t row = 0; row < heads * head_size; ++row) {
    const auto from = rows.subspan(row * columns, columns);
    const size_t to = interleaved_index(row, head_size) * columns;
    std::copy(from.begin(), from.end(), moved.begin() + static_cast<ptrdiff_t>(to));
  }
  return moved;
}

std::vector<float> split_halves(std::span<const float> rows, size_t heads, size_t columns) {
  const size_t head_size = rows.size() / columns / heads;
  std::vector<float> moved(rows.size());
  for (size_t row = 0; row < heads * head_size; ++row) {
    const auto from = rows.subspan(interleaved_index(row, head_size) * columns, columns);
    std::copy(from.begin(), from.end(), moved.begin() + static_cast<ptrdiff_t>(row * columns));
  }
  return moved;
}

void for_each_matrix(const AdapterSource& source, const ModelConfig& config,
                     const std::function<void(int32_t, LayerMatrix)>& visit) {
  for (int32_t layer = 0; layer < config.layers; ++layer) {
    for (int i = 0; i < kLayerMatrices; ++i) {
      const auto matrix = static_cast<LayerMatrix>(i);
      if (source.rank(layer, matrix) > 0) visit(layer, matrix);
    }
  }
}

std::map<std::string, FactorId, std::less<>> known_factors(const ModelConfig& config,
                                                           FactorNamer name_of) {
  std::map<std::string, FactorId, std::less<>> known;
  for (int32_t layer = 0; layer < config.layers; ++layer) {
    for (int i = 0; i < kLayerMatrices; ++i) {
      for (const Factor factor : {Factor::a, Factor::b}) {
        const FactorId id{layer, static_cast<LayerMatrix>(i), factor};
        known.emplace(name_of(id), id);
      }
    }
  }
  return known;
}

std::vector<NewFactor> list_factors(const AdapterSource& source, const ModelConfig& config,
                                    FactorNamer name_of) {
  std::vector<NewFactor> factors;
  for_each_matrix(source, config, [&](int32_t layer, LayerMatrix matrix) {
    const MatrixShape shape = matrix_shape(config, matrix);
    const uint64_t rank = source.rank(layer, matrix);
    const FactorId a{layer, matrix, Factor::a};
    const FactorId b{layer, matrix, Factor::b};
    factors.push_back({a, {name_of(a), DType::f32, {rank, shape.inputs}}});
    factors.push_back({b, {name_of(b), DType::f32, {shape.outputs, rank}}});
  });
  return factors;
}

Result<std::vector<float>> FactorStream::read(const FactorId& id, double b_scale) {
  if (id.factor == Factor::a) {
    PITH_TRY(pair_, source_->read(id.layer, id.matrix));
    return std::move(pair_.a);
  }
  if (b_scale != 1) {
    for (float& value : pair_.b) value = static_cast<float>(value * b_scale);
  }
  return std::move(pair_.b);
}

std::vector<uint8_t> bytes_of_floats(std::span<const float> values) {
  std::vector<uint8_t> bytes(values.size_bytes());
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

}  // namespace pith
