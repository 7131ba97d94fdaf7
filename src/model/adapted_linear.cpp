#include "model/adapted_linear.h"

#include <algorithm>

namespace pith {
namespace {

// Rows of A x that are quantised at a time: few enough steps' worth that decoding
// some branches does not wake other threads for it.
constexpr size_t kLowRows = 16;

}  // namespace

AdaptedLinear::AdaptedLinear(ThreadPool& pool, const Kernels& kernels, MatrixGroup group,
                             size_t max_rows, size_t max_inputs)
    : pool_(pool),
      kernels_(kernels),
      multiplier_(pool, kernels),
      group_(group),
      max_inputs_(max_inputs),
      base_(max_rows, max_inputs) {}

void AdaptedLinear::start_step(std::span<const ForwardRow> rows) {
  rows_ = rows.size();
  run_count_ = 0;
  for (size_t t = 0; t < rows.size(); ++t) {
    if (rows[t].adapter == nullptr) continue;
    if (t == 0 || rows[t].adapter != rows[t - 1].adapter) open_run(rows[t], t);
    ++runs_[run_count_ - 1].rows;
  }
  for (size_t i = 0; i < run_count_; ++i) reserve(runs_[i]);
}

void AdaptedLinear::open_run(const ForwardRow& row, size_t first) {
  if (run_count_ == runs_.size()) runs_.emplace_back();
  Run& run = runs_[run_count_++];
  run.adapter = row.adapter;
  run.first = first;
  run.rows = 0;
}

void AdaptedLinear::reserve(Run& run) const {
  if (!is_whole(run) && run.rows > run.input_rows) {
    run.input_rows = run.rows;
    run.inputs = Activations(run.rows, max_inputs_);
  }
  const size_t floats = run.adapter->row_floats();
  if (run.rows <= run.low_rows && floats <= run.low_floats) return;
  run.low_rows = std::max(run.rows, run.low_rows);
  run.low_floats = std::max(floats, run.low_floats);
  for (Activations& part : run.parts) part = Activations(run.low_rows, run.low_floats);
  run.low.resize(run.low_rows * run.low_floats);
}

void AdaptedLinear::prepare(int32_t layer, size_t inputs,
                            std::initializer_list<const PackedMatrix*> matrices) {
  base_.prepare(rows_, inputs, matrices);
  for (size_t i = 0; i < run_count_; ++i) {
    Run& run = runs_[i];
    const AdapterGroup& its = run.adapter->group(layer, group_);
    run.group = its.deltas.empty() ? nullptr : &its;
    if (run.group == nullptr) continue;
    if (is_whole(run)) {
      base_.serve(its.a);
    } else {
      run.inputs.prepare(run.rows, inputs, {&its.a});
    }
    for (const AdapterDelta& delta : its.deltas) {
      run.parts[delta.place].prepare(run.rows, delta.b.inputs, {&delta.b});
    }
  }
}

void AdaptedLinear::quantize(size_t row, size_t first, size_t count, const float* x) {
  base_.quantize(kernels_, row, first, count, x);
  for (size_t i = 0; i < run_count_; ++i) {
    Run& run = runs_[i];
    if (run.group == nullptr || is_whole(run)) continue;
    if (row >= run.first && row < run.first + run.rows) {
      run.inputs.quantize(kernels_, row - run.first, first, count, x);
    }
  }
}

void AdaptedLinear::scale_rows(const float* factors) {
  base_.scale_rows(factors);
  for (size_t i = 0; i < run_count_; ++i) {
    Run& run = runs_[i];
    if (run.group != nullptr && !is_whole(run)) run.inputs.scale_rows(factors + run.first);
  }
}

// Row `row` of the run.
void AdaptedLinear::quantize_low(Run& run, size_t row) {
  float* low = run.low.data() + row * run.group->a.outputs;
  for (const AdapterDelta& delta : run.group->deltas) {
    float* part = low + delta.offset;
    for (size_t i = 0; i < delta.b.inputs; ++i) part[i] *= delta.gain;
    run.parts[delta.place].quantize(kernels_, row, 0, delta.b.inputs, part);
  }
}

void AdaptedLinear::multiply(std::initializer_list<Product> products) {
  const bool adapted = list_products(products);
  multiplier_.run(products_);
  if (adapted) add_deltas(products);
}

void AdaptedLinear::multiply(std::initializer_list<Product> products, const Epilogue& epilogue) {
  if (!list_products(products)) return multiplier_.run(products_, epilogue);
  multiplier_.run(products_);
  add_deltas(products);
  pool_.parallel_for(epilogue.blocks, 1, [&](size_t begin, size_t end, int) {
    for (size_t block = begin; block < end; ++block) epilogue.done(block);
  });
}

// The products with W, and with A for the rows that have an adapter: whether there are any.
bool AdaptedLinear::list_products(std::initializer_list<Product> products) {
  products_.assign(products);
  for (Product& product : products_) product.activations = &base_;
  bool adapted = false;
  for (size_t i = 0; i < run_count_; ++i) {
    Run& run = runs_[i];
    if (run.group == nullptr) continue;
    adapted = true;
    const AdapterGroup& group = *run.group;
    products_.push_back({&group.a, run.low.data(), group.a.outputs, /*accumulate=*/false,
                         is_whole(run) ? &base_ : &run.inputs});
  }
  return adapted;
}

void AdaptedLinear::add_deltas(std::initializer_list<Product> products) {
  pool_.parallel_for(rows_, kLowRows, [&](size_t begin, size_t end, int) {
    for (size_t i = 0; i < run_count_; ++i) {
      Run& run = runs_[i];
      if (run.group == nullptr) continue;
      const size_t first = std::max(begin, run.first);
      const size_t last = std::min(end, run.first + run.rows);
      for (size_t t = first; t < last; ++t) quantize_low(run, t - run.first);
    }
  });
  products_.clear();
  for (size_t i = 0; i < run_count_; ++i) {
    const Run& run = runs_[i];
    if (run.group == nullptr) continue;
    for (const AdapterDelta& delta : run.group->deltas) {
      const Product& base = products.begin()[delta.place];
      products_.push_back({&delta.b, base.out + run.first * base.out_stride, base.out_stride,
                           /*accumulate=*/true, &run.parts[delta.place]});
    }
  }
  multiplier_.run(products_);
}

}  // namespace pith
