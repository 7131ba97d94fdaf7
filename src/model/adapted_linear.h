// A layer's products with the adapters of the step's rows.
#pragma once

#include <array>
#include <deque>
#include <initializer_list>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/adapter.h"
#include "model/attention.h"
#include "model/linear.h"

namespace pith {

// W x for all rows, and + B (A x) for the rows that have an adapter. The products
// with A are done together with those with W, on the same quantised rows where all
// rows have the one adapter; then A x is quantised, then the products with B are
// added. Costs nothing where no row has an adapter.
class AdaptedLinear {
 public:
  // `pool` and `kernels` must outlive this.
  AdaptedLinear(ThreadPool& pool, const Kernels& kernels, MatrixGroup group, size_t max_rows,
                size_t max_inputs);

  // The rows of the step that begins. Neighbours of one adapter are done together.
  void start_step(std::span<const ForwardRow> rows);

  // What `matrices`, which are all of the group, need; then quantize() all of the step's
  // rows; then perhaps scale_rows(); then multiply(), with the matrices in the same
  // order. These are as in Activations and Multiplier.
  void prepare(int32_t layer, size_t inputs, std::initializer_list<const PackedMatrix*> matrices);
  size_t unit() const { return base_.unit(); }
  void quantize(size_t row, size_t first, size_t count, const float* x);
  void scale_rows(const float* factors);
  void multiply(std::initializer_list<Product> products, const Epilogue& epilogue);
  void multiply(std::initializer_list<Product> products);

 private:
  // Neighbouring rows with one adapter.
  struct Run {
    const Adapter* adapter = nullptr;
    size_t first = 0;
    size_t rows = 0;
    const AdapterGroup* group = nullptr;  // of the products at hand; null: it has no deltas

    size_t input_rows = 0;  // that `inputs` has room for
    size_t low_rows = 0;    // that `parts` and `low` have room for, of low_floats each
    size_t low_floats = 0;
    Activations inputs{0, 0};  // x of the run's rows, unless they are all of the step's
    std::array<Activations, kMostGroupMatrices> parts{Activations{0, 0}, Activations{0, 0},
                                                      Activations{0, 0}};
    std::vector<float> low;  // [rows, rows of the group's A]: A x
  };

  bool is_whole(const Run& run) const { return run.rows == rows_; }
  void open_run(const ForwardRow& row, size_t first);
  void reserve(Run& run) const;
  void quantize_low(Run& run, size_t row);
  bool list_products(std::initializer_list<Product> products);
  void add_deltas(std::initializer_list<Product> products);

  ThreadPool& pool_;
  const Kernels& kernels_;
  Multiplier multiplier_;
  MatrixGroup group_;
  size_t max_inputs_;
  size_t rows_ = 0;
  Activations base_;
  std::deque<Run> runs_;  // buffers stay from step to step
  size_t run_count_ = 0;  // of this step
  std::vector<Product> products_;
};

}  // namespace pith
