// The base model's matrices and their products there and back, which are the most of training.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "model/linear.h"
#include "model/packing.h"
#include "train/packed_transpose.h"
#include "train/row_loops.h"
#include "train/torch.h"

namespace pith::train {

// One product of some rows: out [T, matrix.outputs] (+)= rows matrix^T.
struct KernelProduct {
  const PackedMatrix* matrix = nullptr;
  float* out = nullptr;
  bool accumulate = false;
};

// The engine's kernels for rows of LibTorch's, and the room that the rows' 8 bits take. One
// caller at a time.
class KernelRows {
 public:
  explicit KernelRows(const Kernels& kernels)
      : kernels_(kernels), loops_(row_loops_for(kernels.isa)) {}

  // Rows [T, n], float32 or bfloat16, a row's numbers side by side. The matrices have the same
  // inputs, n or more: zeros follow.
  void multiply(const at::Tensor& rows, std::span<const KernelProduct> products);

 private:
  void quantize(const at::Tensor& rows, std::span<const KernelProduct> products);

  const Kernels& kernels_;
  const AllRowLoops& loops_;
  size_t rows_ = 0;  // that there is room for
  size_t inputs_ = 0;
  Activations activations_{0, 0};
};

// A frozen matrix W [outputs, inputs]. A copy shares the weights.
//
// There are two ways of multiplying with one. By the engine's kernels, in 8 bits: the way
// there, x W^T, is that of the engine, on the weights in their blocks, which the adapter will
// run on; the way back, dy W, is on the same blocks' transpose (PackedTranspose), with rows of
// dy in 8 bits too, 32 of them to a scale. Or by LibTorch, with the weights as numbers of its
// types.
//
// M is the type of the rows that meet the matrix there and back, S that of sums.
class FrozenMatrix {
 public:
  FrozenMatrix() = default;
  // By LibTorch; M is the weights' type: bfloat16, float32 or float64.
  explicit FrozenMatrix(at::Tensor weights) : weights_(std::move(weights)) {}
  // By kernels; M is bfloat16. A quantised `source` is read here alone.
  FrozenMatrix(const MatrixSource& source, ThreadPool& pool, std::shared_ptr<KernelRows> rows);

  bool by_kernels() const { return rows_ != nullptr; }
  // [outputs, inputs]; undefined if by kernels.
  const at::Tensor& weights() const { return weights_; }
  at::ScalarType rows_type() const { return by_kernels() ? at::kBFloat16 : weights_.scalar_type(); }
  int64_t outputs() const {
    return by_kernels() ? static_cast<int64_t>(packed_.outputs) : weights_.size(0);
  }
  int64_t inputs() const {
    return by_kernels() ? static_cast<int64_t>(packed_.inputs) : weights_.size(1);
  }

 private:
  friend std::vector<at::Tensor> multiply(const at::Tensor& x,
                                          std::span<const FrozenMatrix* const> matrices);
  friend at::Tensor multiply_backward(std::span<const at::Tensor> dys,
                                      std::span<const FrozenMatrix* const> matrices);

  at::Tensor weights_;
  PackedMatrix packed_;
  std::shared_ptr<const Pages> tiles_;  // of packed_
  PackedTranspose transpose_;
  std::shared_ptr<KernelRows> rows_;  // null: by LibTorch
};

// The type of sums over rows of `rows`: float32 for bfloat16, else the same.
inline at::ScalarType stream_type(at::ScalarType rows) {
  return rows == at::kBFloat16 ? at::kFloat : rows;
}

// x W^T for matrices that read the same rows x S [T, inputs]: each S [T, outputs]. What
// LibTorch multiplies has a gradient.
std::vector<at::Tensor> multiply(const at::Tensor& x,
                                 std::span<const FrozenMatrix* const> matrices);

// The gradient of x from those of the products, M [T, outputs]: the sum of dy W, S [T, inputs].
// By kernels it has an error of about 0.7 % of the size of its terms, at random; none that
// stems from the rounding of x, whose own gradient is zero almost everywhere.
at::Tensor multiply_backward(std::span<const at::Tensor> dys,
                             std::span<const FrozenMatrix* const> matrices);

}  // namespace pith::train
