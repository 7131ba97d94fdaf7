// The forward pass of one step.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/buffer.h"
#include "base/thread_pool.h"
#include "model/adapted_linear.h"
#include "model/attention.h"
#include "model/kv_cache.h"
#include "model/model.h"

namespace pith {

// Rotary position embedding (arXiv 2104.09864), with Llama 3's frequency divisors.
class RotaryTable {
 public:
  RotaryTable(const ModelConfig& config, size_t max_rows);

  // Angles of the rows' positions; call once a step.
  void set_position(size_t row, int32_t position);
  const float* cosines(size_t row) const { return cosines_.data() + row * frequencies_.size(); }
  const float* sines(size_t row) const { return sines_.data() + row * frequencies_.size(); }

 private:
  std::vector<float> frequencies_;  // [D/2], radians a position
  std::vector<float> cosines_;      // [T, D/2]
  std::vector<float> sines_;        // [T, D/2]
};

// A hidden state that is wanted: a row's, behind so many layers (1 to all).
struct ForwardOutput {
  size_t row = 0;
  int32_t layer = 0;
};

// Owns the buffers of a step. One caller at a time.
class Forward {
 public:
  // `pool` must outlive this.
  Forward(std::shared_ptr<const Model> model, ThreadPool& pool, size_t max_rows);

  // Runs all layers on `rows`, writing their keys and values to `cache`; the
  // blocks they write to must be theirs alone. Rows of one adapter, or of none, that
  // stand together are done together. The final norm for each of `outputs`, and the head for
  // those of them, behind the last layer, whose place in `outputs` is in `wanted_logits`
  // (ascending).
  void run(KvCache& cache, const std::vector<ForwardRow>& rows,
           std::span<const ForwardOutput> outputs, std::span<const size_t> wanted_logits);

  // Of the last run. hidden: by place in `outputs`, [C]; logits: by place in
  // `wanted_logits`, [V].
  std::span<const float> hidden(size_t place) const;
  std::span<const float> logits(size_t place) const;

 private:
  const LayerWeights& weights(int32_t layer) const;
  void embed(const std::vector<ForwardRow>& rows);
  void attention_block(KvCache& cache, int32_t layer, const std::vector<ForwardRow>& rows);
  void mlp_block(int32_t layer);
  void take_outputs(std::span<const ForwardOutput> outputs, int32_t layer);
  void run_head(std::span<const size_t> wanted_logits);
  void prepare_attention(int32_t layer);
  void prepare_mlp(int32_t layer);
  void norm_part(size_t part, const float* weight, AdaptedLinear& next);
  void finish_norm(AdaptedLinear& next);
  void shape_head(size_t head, KvCache& cache, int32_t layer, const std::vector<ForwardRow>& rows);

  std::shared_ptr<const Model> model_;
  ThreadPool& pool_;
  const Kernels& kernels_;
  RotaryTable rotary_;
  Attention attention_;
  AdaptedLinear attention_in_;  // query, key, value
  AdaptedLinear attention_out_;
  AdaptedLinear mlp_in_;   // gate, up
  AdaptedLinear mlp_out_;  // down
  Multiplier multiplier_;
  Activations head_in_;
  size_t rows_ = 0;            // T
  size_t norm_parts_;          // of a row, for its norm
  Buffer<float> x_;            // [T, C] the residual stream
  Buffer<float> squares_;      // [norm_parts_, T], their sums over the part
  Buffer<float> factors_;      // [T] what an RMS norm multiplies a row by
  Buffer<float> queries_;      // [T, H, D]
  Buffer<float> keys_;         // [T, G, D]
  Buffer<float> values_;       // [T, G, D]
  Buffer<float> attended_;     // [T, H, D]
  Buffer<float> gate_;         // [T, F]
  Buffer<float> up_;           // [T, F]
  std::vector<float> hidden_;  // [outputs, C]
  std::vector<float> logits_;  // [wanted_logits, V]
};

}  // namespace pith
