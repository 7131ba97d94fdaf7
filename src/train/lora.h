// The factors of an adapter as LibTorch trains them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/adapter_source.h"
#include "train/torch.h"

namespace pith::train {

struct LoraOptions {
  int64_t rank = 32;
  double alpha = 64;
  std::vector<LayerMatrix> targets = {
      LayerMatrix::query, LayerMatrix::key, LayerMatrix::value, LayerMatrix::attention_output,
      LayerMatrix::gate,  LayerMatrix::up,  LayerMatrix::down};
  uint64_t seed = 0;
};

// What is added to one matrix: scale * B (A x). Undefined tensors where nothing is.
struct LoraPair {
  at::Tensor a;  // [R, inputs]
  at::Tensor b;  // [outputs, R], rows in the order that GGUF has
  double scale = 1;

  bool is_there() const { return a.defined(); }
};

// Leaves that require a gradient, in float32 (float64 for a twin in float64) and on the twin's
// device. One thread.
class Lora {
 public:
  // As PEFT begins: A uniform in +- 1 / sqrt(inputs), B zero, so that nothing changes yet.
  Lora(const ModelConfig& config, const LoraOptions& options,
       const at::TensorOptions& kind = at::kFloat);
  // One that was trained before. Errors: those of AdapterSource::read.
  static Result<Lora> from(const AdapterSource& source, const ModelConfig& config,
                           const at::TensorOptions& kind = at::kFloat);

  const LoraPair& at(int32_t layer, LayerMatrix matrix) const {
    return layers_[static_cast<size_t>(layer)][static_cast<size_t>(matrix)];
  }

  // All factors, layer by layer, A before B, and their names: "3.down.a".
  const std::vector<at::Tensor>& parameters() const { return parameters_; }
  const std::vector<std::string>& names() const { return names_; }

  // For write_peft and write_gguf_adapter. Borrows the factors; read in one thread.
  std::unique_ptr<AdapterSource> source(std::vector<int32_t> invocation_tokens) const;

 private:
  explicit Lora(const ModelConfig& config) : layers_(static_cast<size_t>(config.layers)) {}
  void put(int32_t layer, LayerMatrix matrix, LoraPair pair);

  std::vector<std::array<LoraPair, kLayerMatrices>> layers_;
  std::vector<at::Tensor> parameters_;
  std::vector<std::string> names_;
};

}  // namespace pith::train
