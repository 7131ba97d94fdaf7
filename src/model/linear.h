// Products of a step's rows with packed matrices.
#pragma once

#include <atomic>
#include <deque>
#include <initializer_list>
#include <span>
#include <vector>

#include "base/buffer.h"
#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "model/weights.h"

namespace pith {

// A step's rows as matrices read them: quantised once, for all the matrices that
// share them. Memory is reserved up front for the largest use, and taken as it is used.
class Activations {
 public:
  Activations(size_t max_rows, size_t max_inputs);

  // What `matrices` need; call before quantize().
  void prepare(size_t rows, size_t inputs, std::initializer_list<const PackedMatrix*> matrices);
  // One matrix more.
  void serve(const PackedMatrix& matrix);

  // Inputs that share a scale: quantize() takes multiples of it, from multiples of it on.
  size_t unit() const;

  // Inputs [first, first + count) of row `row` are x. Different threads may do different
  // inputs at once; rows of one panel share cache lines, so leave them to one thread.
  void quantize(const Kernels& kernels, size_t row, size_t first, size_t count, const float* x);

  // Multiplies what was quantised of each row by its factor: [rows].
  void scale_rows(const float* factors);

  size_t rows() const { return rows_; }
  size_t inputs() const { return inputs_; }
  const QuantizedRows& quantized(PackedFormat format) const {
    return is_super(format) ? super_.view : simple_.view;
  }
  const float* floats() const { return floats_.data(); }

 private:
  struct Buffers {
    explicit Buffers(size_t values);  // values: most rows times inputs
    Buffer<int8_t> q;
    Buffer<float> scales;
    Buffer<int16_t> sums16;
    Buffer<int16_t> sums32;
    Buffer<int16_t> neg_sums8;
    Buffer<int32_t> neg_sums;
    Buffer<float> scaled_sums;
    QuantizedRows view;
  };

  size_t rows_ = 0;
  size_t inputs_ = 0;
  bool needs_super_ = false;
  bool needs_simple_ = false;
  bool needs_floats_ = false;
  Buffers super_;
  Buffers simple_;
  Buffer<float> floats_;
};

// One product of a group: out [T, out_stride] (+)= activations x matrix^T.
struct Product {
  const PackedMatrix* matrix = nullptr;
  float* out = nullptr;
  size_t out_stride = 0;
  bool accumulate = false;
  const Activations* activations = nullptr;
  size_t first_block = 0;  // of the group's blocks, for an Epilogue
};

// The outputs of tiles [first_tile, end_tile) of the matrix, for all rows, on the calling thread.
void multiply_tiles(const Kernels& kernels, const Product& product, size_t first_tile,
                    size_t end_tile);

// What is to be done with a group's outputs once they are there, a block at a time: by
// the thread that completes a block, while it is warm in its cache. A block is
// `block_outputs` outputs (fewer at a matrix's end) of every product whose blocks have
// its number; all of the step's rows.
struct Epilogue {
  size_t block_outputs;
  size_t blocks;
  FunctionRef<void(size_t block)> done;
};

// Runs groups of products. One caller at a time.
class Multiplier {
 public:
  // Both must outlive this.
  Multiplier(ThreadPool& pool, const Kernels& kernels) : pool_(pool), kernels_(kernels) {}

  // All products of a group, their tiles shared out over the pool together.
  void run(std::span<const Product> products);
  void run(std::span<const Product> products, const Epilogue& epilogue);

 private:
  // Neighbouring tiles of one product and block, that a thread does without a pause.
  struct Unit {
    const Product* product;
    size_t first_tile;
    size_t end_tile;
    size_t block;
  };

  void list_units(const Product& product, size_t first_tile, size_t end_tile, size_t block);

  ThreadPool& pool_;
  const Kernels& kernels_;
  std::vector<Unit> units_;                  // of the group at hand
  std::deque<std::atomic<size_t>> pending_;  // units that a block still lacks
};

}  // namespace pith
