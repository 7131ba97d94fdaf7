// The base model's matrices and their products, which are the most of training.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "model/linear.h"
#include "model/packing.h"
#include "train/torch.h"

namespace pith::train {

// Rows as the engine's kernels read them, for one product at a time.
class KernelRows {
 public:
  explicit KernelRows(const Kernels& kernels) : kernels_(kernels) {}

  const Kernels& kernels() const { return kernels_; }
  // x [T, inputs], float32, in 8 bits or floats: what the matrices need.
  const Activations& quantize(const at::Tensor& x, std::span<const PackedMatrix* const> matrices);

 private:
  const Kernels& kernels_;
  size_t rows_ = 0;  // that there is room for
  size_t inputs_ = 0;
  Activations activations_{0, 0};
};

// A frozen matrix [outputs, inputs]. A copy shares the weights.
//
// There are two ways of multiplying with one. As the engine does: float rows become 8 bits
// and meet the weights in their blocks. That is what the adapter will run on, and the
// faster one. Or by LibTorch, with the weights as numbers of its types. Gradients always
// take the latter: they are those of the product without rounding.
class FrozenMatrix {
 public:
  FrozenMatrix() = default;
  // By LibTorch: bfloat16, float32 or float64.
  explicit FrozenMatrix(at::Tensor weights) : weights_(std::move(weights)) {}
  // As the engine; weights in bfloat16. `source` is read here alone.
  FrozenMatrix(at::Tensor weights, const MatrixSource& source, ThreadPool& pool,
               std::shared_ptr<KernelRows> rows);

  const at::Tensor& weights() const { return weights_; }  // [outputs, inputs]
  bool by_kernels() const { return rows_ != nullptr; }
  int64_t outputs() const { return weights_.size(0); }

 private:
  friend std::vector<at::Tensor> multiply(const at::Tensor& x,
                                          std::span<const FrozenMatrix* const> matrices);

  at::Tensor weights_;
  PackedMatrix packed_;
  std::shared_ptr<const Pages> tiles_;  // of packed_
  std::shared_ptr<KernelRows> rows_;    // null: by LibTorch
};

// The type of sums over rows of `rows`: float32 for bfloat16, else the same.
inline at::ScalarType stream_type(at::ScalarType rows) {
  return rows == at::kBFloat16 ? at::kFloat : rows;
}

// x matrix^T for matrices that read the same rows x [T, inputs], in the stream's type: each
// [T, outputs] in that type. What LibTorch multiplies has a gradient.
std::vector<at::Tensor> multiply(const at::Tensor& x,
                                 std::span<const FrozenMatrix* const> matrices);

}  // namespace pith::train
