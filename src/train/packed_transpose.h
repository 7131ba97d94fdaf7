// The transpose of a frozen matrix for the engine's kernels: what the way back multiplies with.
#pragma once

#include <memory>
#include <vector>

#include "base/thread_pool.h"
#include "io/gguf.h"
#include "model/weights.h"

namespace pith::train {

// The gradient dx = dy W sums over W's outputs, but W's blocks and their scales run along its
// inputs. So what the blocks mean is transposed and quantised once more, at load, to the
// engine's s8 (Q8_0): 32 outputs of an input share a scale, and the largest of them is 127
// steps. That adds an error of about 0.45 % of the weights' size, at random, and takes 1.06
// bytes a weight.
//
// It is cut along the outputs, so that the rows of dy which meet a part stay in a core's
// cache: the head has more than 100,000 outputs. Immutable; a copy shares the weights.
class PackedTranspose {
 public:
  static constexpr size_t kPartOutputs = 4096;

  PackedTranspose() = default;
  // `tensor` [outputs, inputs], inputs a multiple of 32; read here alone. Out of memory is
  // c10::Error, as where LibTorch allocates.
  PackedTranspose(const GgufTensor& tensor, ThreadPool& pool);

  // Part p is of outputs [p * kPartOutputs, (p + 1) * kPartOutputs) as far as there are any:
  // [inputs, that many outputs and zeros up to a multiple of 32].
  const std::vector<PackedMatrix>& parts() const { return parts_; }

 private:
  std::vector<PackedMatrix> parts_;
  std::shared_ptr<const Pages> tiles_;  // of the parts
};

}  // namespace pith::train
