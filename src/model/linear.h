// Products of a step's rows with packed matrices.
#pragma once

#include <initializer_list>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "model/weights.h"

namespace pith {

// A step's rows as matrices read them: quantised once, for all the matrices that
// share them. Memory is reserved up front for the largest use.
class Activations {
 public:
  Activations(size_t max_rows, size_t max_inputs);

  // What `matrices` need; call before quantize().
  void prepare(size_t rows, size_t inputs, std::initializer_list<const PackedMatrix*> matrices);
  // One matrix more.
  void serve(const PackedMatrix& matrix);

  // Row `row` is x [inputs]. Rows may be done by different threads at once.
  void quantize(const Kernels& kernels, size_t row, const float* x);

  size_t rows() const { return rows_; }
  const QuantizedRows& quantized(PackedFormat format) const {
    return is_super(format) ? super_.view : simple_.view;
  }
  const float* floats() const { return floats_.data(); }

 private:
  struct Buffers {
    explicit Buffers(size_t values);  // values: most rows times inputs
    std::vector<int8_t> q;
    std::vector<float> scales;
    std::vector<int16_t> sums16;
    std::vector<int16_t> sums32;
    std::vector<int32_t> neg_sums;
    std::vector<float> scaled_sums;
    QuantizedRows view;
  };

  size_t rows_ = 0;
  size_t inputs_ = 0;
  bool needs_super_ = false;
  bool needs_simple_ = false;
  bool needs_floats_ = false;
  Buffers super_;
  Buffers simple_;
  std::vector<float> floats_;
};

// One product of a group: out [T, out_stride] (+)= activations x matrix^T.
struct Product {
  const PackedMatrix* matrix = nullptr;
  float* out = nullptr;
  size_t out_stride = 0;
  bool accumulate = false;
  const Activations* activations = nullptr;
};

// All products of a group, their tiles shared out over the pool together.
void multiply(ThreadPool& pool, const Kernels& kernels, std::span<const Product> products);

}  // namespace pith
