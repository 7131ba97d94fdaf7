// The model's twin: the forward pass of model/forward.h in LibTorch, for gradients. The
// weights are those of the same GGUF file, and frozen; only an adapter's
// factors are trained (LoRA, arXiv 2106.09685). As in the engine, the base model reads a
// prompt up to the boundary and the adapter what follows (docs/adapters.md), so a prompt
// costs no gradient and is read once for all answers to it. What a layer does is in
// train/layer.h, and in two ways.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "io/gguf.h"
#include "model/config.h"
#include "train/layer.h"
#include "train/torch.h"

namespace pith::train {

// How a twin computes; train/layer.h.
enum class TwinMath {
  fused,  // for CPUs. With bfloat16, quantised matrices are multiplied by the engine's kernels
  plain,  // LibTorch's own operations
};

inline TwinMath math_for(at::Device device) {
  return device.is_cpu() ? TwinMath::fused : TwinMath::plain;
}

// Immutable; its functions may be called from one thread at a time. Out of memory and the
// like are exceptions of LibTorch (c10::Error).
class Twin {
 public:
  // Rows that meet matrices are `dtype`, bfloat16, float32 or float64, and so are the matrices
  // unless kernels multiply them. All else, the residual stream included, is in float32, or
  // float64 with that. Errors: those of
  // read_model_config and collect_weights (model/packing.h), chosen_isa. A device other than
  // the CPU takes plain math.
  static Result<Twin> load(std::shared_ptr<const GgufFile> file, at::ScalarType dtype,
                           ThreadPool& pool, at::Device device = at::kCPU,
                           TwinMath math = TwinMath::fused);

  const ModelConfig& config() const { return config_; }
  const FrozenMatrix& head() const { return head_; }  // [V, C]
  at::Device device() const { return device_; }       // of all tensors here

  // The base model reads a text. No gradient.
  Past read(std::span<const TokenId> tokens) const;

  // Hidden states after the final norm of all texts' tokens, one text after the other:
  // [T, C]. Nothing of a text depends on the others. No gradient.
  at::Tensor hidden(std::span<const Continuation> texts, const LoraPass& pass) const;
  at::Tensor logits(const at::Tensor& hidden) const;  // [T, V]

  // loss_of(hidden(texts, pass)), whose gradient is added to the .grad of the adapter's
  // factors. What layers keep for the way back is at most `keep_bytes`, by default half of
  // the memory that was free when the model had been loaded; of the layers for which that
  // does not suffice only the inputs are kept, and they are computed a second time (arXiv
  // 1604.06174): the same gradient, to the bit.
  double accumulate_gradient(std::span<const Continuation> texts, const LoraPass& pass,
                             FunctionRef<at::Tensor(const at::Tensor& hidden)> loss_of,
                             std::optional<size_t> keep_bytes = {}) const;

 private:
  Twin() = default;
  PassRows rows_of(std::span<const Continuation> texts) const;
  at::Tensor embed(std::span<const Continuation> texts) const;

  std::shared_ptr<const GgufFile> file_;  // rows of the embedding are read from it
  const GgufTensor* embedding_ = nullptr;
  ModelConfig config_;
  at::ScalarType dtype_ = at::kFloat;
  at::ScalarType stream_ = at::kFloat;
  at::Device device_ = at::kCPU;
  std::vector<TwinLayer> layers_;
  std::unique_ptr<LayerMath> math_;
  at::Tensor output_norm_;  // [C]
  FrozenMatrix head_;
  at::Tensor frequencies_;  // [D/2], float64
  size_t keep_bytes_ = 0;   // by default
};

}  // namespace pith::train
