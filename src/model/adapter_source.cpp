#include "model/adapter_source.h"

#include <cmath>
#include <filesystem>

#include "base/rng.h"
#include "model/adapter_file.h"

namespace pith {
namespace {

// Uniform in [-1, 1).
float random_value(uint64_t stream, uint64_t index) {
  return static_cast<float>(2 * random_unit(/*seed=*/1, stream, index) - 1);
}

class RandomAdapter : public AdapterSource {
 public:
  RandomAdapter(const ModelConfig& config, size_t rank) : config_(config), rank_(rank) {}

  size_t rank(int32_t, LayerMatrix) const override { return rank_; }

  // Of a size that leaves the model's numbers sane.
  Result<LowRank> read(int32_t layer, LayerMatrix matrix) const override {
    const MatrixShape shape = matrix_shape(config_, matrix);
    const auto stream =
        2 * (static_cast<uint64_t>(layer) * kLayerMatrices + static_cast<uint64_t>(matrix));
    LowRank pair;
    pair.a = values(stream, rank_ * shape.inputs, 1 / std::sqrt(static_cast<float>(shape.inputs)));
    pair.b = values(stream + 1, shape.outputs * rank_, 0.1f / std::sqrt(static_cast<float>(rank_)));
    return pair;
  }

  const std::vector<int32_t>& invocation_tokens() const override { return none_; }

 private:
  static std::vector<float> values(uint64_t stream, size_t count, float size) {
    std::vector<float> all(count);
    for (size_t i = 0; i < count; ++i) all[i] = size * random_value(stream, i);
    return all;
  }

  ModelConfig config_;
  size_t rank_;
  std::vector<int32_t> none_;
};

}  // namespace

MatrixShape matrix_shape(const ModelConfig& config, LayerMatrix matrix) {
  const auto width = static_cast<size_t>(config.width);
  const auto queries = static_cast<size_t>(config.query_width());
  const auto keys = static_cast<size_t>(config.kv_width());
  const auto mlp = static_cast<size_t>(config.mlp_width);
  switch (matrix) {
    case LayerMatrix::query:
      return {queries, width};
    case LayerMatrix::key:
    case LayerMatrix::value:
      return {keys, width};
    case LayerMatrix::attention_output:
      return {width, queries};
    case LayerMatrix::gate:
    case LayerMatrix::up:
      return {mlp, width};
    case LayerMatrix::down:
      return {width, mlp};
  }
  PITH_CHECK(false);
}

std::unique_ptr<AdapterSource> random_adapter(const ModelConfig& config, size_t rank) {
  return std::make_unique<RandomAdapter>(config, rank);
}

Result<std::unique_ptr<AdapterSource>> open_adapter(const std::string& path,
                                                    const ModelConfig& config) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return open_peft(path, config);
  return open_gguf_adapter(path, config);
}

}  // namespace pith
