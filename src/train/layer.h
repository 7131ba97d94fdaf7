// One layer of the twin, forward and back. There are two ways, which the tests compare.
//
// Fused: written out for CPUs. What stands between two products is one pass over memory
// (train/row_loops.h); products are those of train/frozen.h; the way back is by hand.
// Plain: LibTorch's own operations and its gradients, on any device.
//
// S is the type of the residual stream, M that of the rows which products read.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "model/config.h"
#include "text/tokenizer.h"
#include "train/frozen.h"
#include "train/lora.h"

namespace pith::train {

// Undefined tensors where the family has none. Vectors are in S.
struct TwinLayer {
  at::Tensor attention_norm;                          // [C]
  std::array<FrozenMatrix, kLayerMatrices> matrices;  // by LayerMatrix
  std::array<at::Tensor, 3> biases;                   // of query, key, value
  at::Tensor query_norm, key_norm;                    // [D]
  at::Tensor mlp_norm;                                // [C]

  const FrozenMatrix& matrix(LayerMatrix which) const {
    return matrices[static_cast<size_t>(which)];
  }
};

// Keys and values of a text, for each layer [G, T, D] in S.
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

// What the layers of one pass share.
struct PassRows {
  std::span<const Continuation> texts;  // their rows stand one after the other
  at::Tensor cosines, sines;            // [T, D/2]
  std::vector<at::Tensor> masks;        // by text: [T, past + T], 0 or -infinity
  Past* keep = nullptr;                 // takes keys and values; of a single text
};

// What a layer's way back needs of its way there. The plain one needs x alone.
struct LayerKept {
  at::Tensor x;                                // S [T, C]
  at::Tensor attention_factors, mlp_factors;   // S [T], of the norms
  at::Tensor attention_in;                     // M [T, C]
  at::Tensor queries, keys, values;            // S [T, heads, D]
  at::Tensor raw_queries, raw_keys;            // S [T, heads, D], before their norm, if any
  at::Tensor query_factors, key_factors;       // S [T, heads], of that norm
  std::vector<at::Tensor> attended;            // by text: S [1, H, T, D]
  std::vector<at::Tensor> attention_sums;      // by text: logarithms of the softmax's sums
  at::Tensor attention_out;                    // M [T, H * D]
  at::Tensor y;                                // S [T, C], after attention
  at::Tensor mlp_in;                           // M [T, C]
  at::Tensor gate, up, mlp_out;                // M [T, F]
  std::array<at::Tensor, kLayerMatrices> low;  // M [T, R]: A x

  size_t bytes() const;  // of all of them
};

// Immutable, one thread at a time, as the twin whose parts it borrows.
class LayerMath {
 public:
  LayerMath(const ModelConfig& config, at::ScalarType rows, std::span<const TwinLayer> layers)
      : config_(config), rows_type_(rows), layers_(layers) {}
  virtual ~LayerMath() = default;

  // x += output(attention(norm(x))); x += down(silu(gate(norm(x))) * up(norm(x)))
  // x [T, C] in S; so is the result. Fills `kept`, if not null.
  virtual at::Tensor forward(int32_t layer, const at::Tensor& x, const PassRows& rows,
                             const LoraPass& pass, LayerKept* kept) const = 0;

  // From the gradient of the result, which may be changed, that of x; undefined unless
  // `wants_dx`. Those of the adapter's factors are added to their .grad.
  virtual at::Tensor backward(int32_t layer, at::Tensor dz, const LayerKept& kept,
                              const PassRows& rows, const LoraPass& pass, bool wants_dx) const = 0;

  // Whether forward() fills in more than x.
  virtual bool keeps() const = 0;

  // An RMS norm in S, and the gradient of its x.
  virtual at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const = 0;
  virtual at::Tensor norm_backward(const at::Tensor& x, const at::Tensor& weight,
                                   const at::Tensor& dy) const = 0;

 protected:
  const TwinLayer& layer_at(int32_t layer) const { return layers_[static_cast<size_t>(layer)]; }
  at::ScalarType stream_type() const { return train::stream_type(rows_type_); }

  ModelConfig config_;
  at::ScalarType rows_type_;  // M
  std::span<const TwinLayer> layers_;
};

std::unique_ptr<LayerMath> fused_layer_math(const ModelConfig& config, at::ScalarType rows,
                                            std::span<const TwinLayer> layers);
std::unique_ptr<LayerMath> plain_layer_math(const ModelConfig& config, at::ScalarType rows,
                                            std::span<const TwinLayer> layers);

// 0 where an input of A is left out, else 1 / (1 - share); like `x`, the rows that `first`
// and its neighbours read. A function of the pass's seed, so that it is the same on the
// way back.
at::Tensor dropout_mask(const at::Tensor& x, const LoraPass& pass, int32_t layer,
                        LayerMatrix first);

}  // namespace pith::train
