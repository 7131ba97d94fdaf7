// The model's twin: the forward pass of model/forward.h in LibTorch, for gradients. The
// weights are those of the same GGUF file, as floats, and frozen; only an adapter's
// factors are trained (LoRA, arXiv 2106.09685). As in the engine, the base model reads a
// prompt up to the boundary and the adapter what follows (docs/adapters.md), so a prompt
// costs no gradient and is read once for all answers to it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "io/gguf.h"
#include "model/config.h"
#include "text/tokenizer.h"
#include "train/lora.h"
#include "train/torch.h"

namespace pith::train {

// Undefined tensors where the family has none. Vectors have the type of the stream.
struct TwinLayer {
  at::Tensor attention_norm;                        // [C]
  std::array<at::Tensor, kLayerMatrices> matrices;  // by LayerMatrix: [outputs, inputs]
  std::array<at::Tensor, 3> biases;                 // of query, key, value
  at::Tensor query_norm, key_norm;                  // [D]
  at::Tensor mlp_norm;                              // [C]
};

// Keys and values of a text, for each layer [G, T, D].
struct Past {
  int64_t length = 0;
  std::vector<at::Tensor> keys, values;
};

// A text that goes on from a past.
struct Continuation {
  const Past* past = nullptr;  // never null
  std::span<const TokenId> tokens;
};

// The adapter of a pass.
struct LoraPass {
  const Lora* lora = nullptr;  // null: the base model
  double dropout = 0;          // share of the inputs of A that are left out
  uint64_t seed = 0;           // of what is left out: the same in every run
};

// Immutable; its functions may be called from one thread at a time. Out of memory and the
// like are exceptions of LibTorch (c10::Error).
class Twin {
 public:
  // Matrices are kept as `dtype`: bfloat16, float32 or float64. All else, the residual
  // stream included, is in float32, or float64 with that. Errors: those of
  // read_model_config and collect_weights (model/packing.h).
  static Result<Twin> load(std::shared_ptr<const GgufFile> file, at::ScalarType dtype,
                           ThreadPool& pool, at::Device device = at::kCPU);

  const ModelConfig& config() const { return config_; }
  const at::Tensor& head() const { return head_; }  // [V, C]

  // The base model reads a text. No gradient.
  Past read(std::span<const TokenId> tokens) const;

  // Hidden states after the final norm of all texts' tokens, one text after the other:
  // [T, C]. Nothing of a text depends on the others.
  at::Tensor hidden(std::span<const Continuation> texts, const LoraPass& pass) const;
  at::Tensor logits(const at::Tensor& hidden) const;  // [T, V]

  // loss_of(hidden(texts, pass)), whose gradient is added to the .grad of the adapter's
  // factors. With `recompute` only the input of each layer is kept, and each layer is
  // computed a second time on the way back (arXiv 1604.06174): a third more work, a
  // fraction of the memory, the same gradient.
  double accumulate_gradient(std::span<const Continuation> texts, const LoraPass& pass,
                             FunctionRef<at::Tensor(const at::Tensor& hidden)> loss_of,
                             bool recompute) const;

 private:
  // What the layers of one pass share.
  struct Rows {
    std::span<const Continuation> texts;
    at::Tensor cosines, sines;  // [T, 1, D/2]
    Past* keep = nullptr;       // takes the keys and values; of a single text
  };

  Twin() = default;
  Rows rows_of(std::span<const Continuation> texts) const;
  at::Tensor embed(std::span<const Continuation> texts) const;
  at::Tensor layer(int32_t index, const at::Tensor& x, const Rows& rows,
                   const LoraPass& pass) const;
  at::Tensor attend(int32_t index, const at::Tensor& queries, const at::Tensor& keys,
                    const at::Tensor& values, const Rows& rows) const;
  at::Tensor rotate(const at::Tensor& x, const Rows& rows) const;
  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const;

  std::shared_ptr<const GgufFile> file_;  // rows of the embedding are read from it
  const GgufTensor* embedding_ = nullptr;
  ModelConfig config_;
  at::ScalarType dtype_ = at::kFloat;
  at::ScalarType stream_ = at::kFloat;
  at::Device device_ = at::kCPU;
  std::vector<TwinLayer> layers_;
  at::Tensor output_norm_;  // [C]
  at::Tensor head_;
  at::Tensor frequencies_;  // [D/2], float64
};

}  // namespace pith::train
