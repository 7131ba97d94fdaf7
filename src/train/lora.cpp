#include "train/lora.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "train/targets.h"

namespace pith::train {
namespace {

class LoraSource : public AdapterSource {
 public:
  LoraSource(const Lora& lora, std::vector<int32_t> invocation_tokens)
      : lora_(lora), invocation_tokens_(std::move(invocation_tokens)) {}

  size_t rank(int32_t layer, LayerMatrix matrix) const override {
    const LoraPair& pair = lora_.at(layer, matrix);
    return pair.is_there() ? static_cast<size_t>(pair.a.size(0)) : 0;
  }

  Result<LowRank> read(int32_t layer, LayerMatrix matrix) const override {
    const LoraPair& pair = lora_.at(layer, matrix);
    return LowRank{floats(pair.a), floats(pair.b), pair.scale};
  }

  const std::vector<int32_t>& invocation_tokens() const override { return invocation_tokens_; }

 private:
  static std::vector<float> floats(const at::Tensor& tensor) {
    const at::Tensor plain = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
    const float* data = plain.const_data_ptr<float>();
    return {data, data + plain.numel()};
  }

  const Lora& lora_;
  std::vector<int32_t> invocation_tokens_;
};

at::Tensor from_floats(const std::vector<float>& values, int64_t rows,
                       const at::TensorOptions& kind) {
  at::Tensor tensor = at::empty({rows, static_cast<int64_t>(values.size()) / rows}, at::kFloat);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<float>());
  return tensor.to(kind);
}

}  // namespace

Lora::Lora(const ModelConfig& config, const LoraOptions& options, const at::TensorOptions& kind)
    : Lora(config) {
  for (int32_t layer = 0; layer < config.layers; ++layer) {
    for (int i = 0; i < kLayerMatrices; ++i) {
      const auto matrix = static_cast<LayerMatrix>(i);
      if (std::find(options.targets.begin(), options.targets.end(), matrix) ==
          options.targets.end()) {
        continue;
      }
      const MatrixShape shape = matrix_shape(config, matrix);
      const auto stream = static_cast<uint64_t>(layer * kLayerMatrices + i);
      const double bound = 1 / std::sqrt(static_cast<double>(shape.inputs));
      std::vector<float> a(static_cast<size_t>(options.rank) * shape.inputs);
      for (size_t k = 0; k < a.size(); ++k) {
        a[k] = static_cast<float>(bound * (2 * random_unit(options.seed, stream, k) - 1));
      }
      put(layer, matrix,
          {from_floats(a, options.rank, kind),
           at::zeros({static_cast<int64_t>(shape.outputs), options.rank}, kind),
           options.alpha / static_cast<double>(options.rank)});
    }
  }
}

Result<Lora> Lora::from(const AdapterSource& source, const ModelConfig& config,
                        const at::TensorOptions& kind) {
  Lora lora(config);
  for (int32_t layer = 0; layer < config.layers; ++layer) {
    for (int i = 0; i < kLayerMatrices; ++i) {
      const auto matrix = static_cast<LayerMatrix>(i);
      const auto rank = static_cast<int64_t>(source.rank(layer, matrix));
      if (rank == 0) continue;
      PITH_TRY(const LowRank pair, source.read(layer, matrix));
      const auto outputs = static_cast<int64_t>(matrix_shape(config, matrix).outputs);
      lora.put(layer, matrix,
               {from_floats(pair.a, rank, kind), from_floats(pair.b, outputs, kind), pair.scale});
    }
  }
  return lora;
}

void Lora::put(int32_t layer, LayerMatrix matrix, LoraPair pair) {
  for (const auto& [factor, name] : {std::pair(pair.a, 'a'), std::pair(pair.b, 'b')}) {
    factor.requires_grad_();
    parameters_.push_back(factor);
    names_.push_back(fmt::format("{}.{}.{}", layer, target_name(matrix), name));
  }
  layers_[static_cast<size_t>(layer)][static_cast<size_t>(matrix)] = std::move(pair);
}

std::unique_ptr<AdapterSource> Lora::source(std::vector<int32_t> invocation_tokens) const {
  return std::make_unique<LoraSource>(*this, std::move(invocation_tokens));
}

}  // namespace pith::train
