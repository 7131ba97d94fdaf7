#include "model/linear.h"

#include <algorithm>
#include <cstring>

namespace pith {
namespace {

// What one thread takes at a time. Few rows: enough bytes to stream, few enough
// that two threads end together. Many rows: what stays in L2 while all rows pass.
constexpr size_t kStreamBytes = 64 * 1024;
constexpr size_t kCacheBytes = 256 * 1024;

size_t unit_tiles(const PackedMatrix& matrix, size_t rows) {
  const size_t wanted = rows > kPanelRows ? kCacheBytes : kStreamBytes;
  return std::max<size_t>(1, wanted / tile_bytes(matrix.format, matrix.inputs));
}

}  // namespace

Activations::Buffers::Buffers(size_t values)
    : q(values),
      scales(values / kBlockInputs),
      sums16(values / 16),
      sums32(values / 32),
      neg_sums8(values / 8 + 1),
      neg_sums(values / kBlockInputs),
      scaled_sums(values / kBlockInputs),
      view{q.data(),         scales.data(),   sums16.data(),     sums32.data(),
           neg_sums8.data(), neg_sums.data(), scaled_sums.data()} {}

Activations::Activations(size_t max_rows, size_t max_inputs)
    : super_(max_rows * max_inputs),
      simple_(max_rows * max_inputs),
      floats_(max_rows * max_inputs) {}

void Activations::prepare(size_t rows, size_t inputs,
                          std::initializer_list<const PackedMatrix*> matrices) {
  rows_ = rows;
  inputs_ = inputs;
  needs_super_ = needs_simple_ = needs_floats_ = false;
  for (const PackedMatrix* matrix : matrices) serve(*matrix);
}

void Activations::serve(const PackedMatrix& matrix) {
  if (is_float(matrix.format))
    needs_floats_ = true;
  else if (is_super(matrix.format))
    needs_super_ = true;
  else
    needs_simple_ = true;
}

size_t Activations::unit() const {
  return needs_super_ ? kSuperInputs : needs_simple_ ? kBlockInputs : 1;
}

void Activations::quantize(const Kernels& kernels, size_t row, size_t first, size_t count,
                           const float* x) {
  const size_t panel = panel_of(rows_, row);
  const size_t top = panel_begin(rows_, panel);
  const size_t rows = panel_begin(rows_, panel + 1) - top;
  const auto place = [&](const QuantizedRows& all, size_t scale_inputs) {
    // Elements, `inputs` of a row to each, before the panel and before its cells.
    const auto at = [&](size_t inputs) { return (top * inputs_ + rows * first) / inputs; };
    return PanelRow{{all.q + at(1), all.scales + at(scale_inputs), all.sums16 + at(16),
                     all.sums32 + at(32), all.neg_sums8 + at(8), all.neg_sums + at(kBlockInputs),
                     all.scaled_sums + at(kBlockInputs)},
                    rows,
                    row - top};
  };
  if (needs_super_) kernels.quantize_super(x, count, place(super_.view, kSuperInputs));
  if (needs_simple_) kernels.quantize_simple(x, count, place(simple_.view, kBlockInputs));
  if (needs_floats_) std::memcpy(floats_.data() + row * inputs_ + first, x, count * sizeof(float));
}

void Activations::scale_rows(const float* factors) {
  const auto scale = [&](float* values, size_t cells) {
    for (size_t panel = 0; panel < panel_count(rows_); ++panel) {
      const size_t top = panel_begin(rows_, panel);
      const size_t rows = panel_begin(rows_, panel + 1) - top;
      for (size_t cell = 0; cell < cells; ++cell) {
        for (size_t r = 0; r < rows; ++r) *values++ *= factors[top + r];
      }
    }
  };
  if (needs_super_) scale(super_.view.scales, inputs_ / kSuperInputs);
  if (needs_simple_) {
    scale(simple_.view.scales, inputs_ / kBlockInputs);
    scale(simple_.view.scaled_sums, inputs_ / kBlockInputs);
  }
  if (needs_floats_) {
    for (size_t i = 0; i < rows_ * inputs_; ++i) floats_[i] *= factors[i / inputs_];
  }
}

void Multiplier::run(std::span<const Product> products) {
  units_.clear();
  for (const Product& product : products) list_units(product, 0, product.matrix->tile_count(), 0);
  pool_.parallel_for(units_.size(), 1, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      multiply_tiles(kernels_, *units_[i].product, units_[i].first_tile, units_[i].end_tile);
    }
  });
}

void Multiplier::run(std::span<const Product> products, const Epilogue& epilogue) {
  if (epilogue.block_outputs % kTileOutputs != 0) {  // a tile would be of two blocks
    run(products);
    pool_.parallel_for(epilogue.blocks, 1, [&](size_t begin, size_t end, int) {
      for (size_t block = begin; block < end; ++block) epilogue.done(block);
    });
    return;
  }
  // Block after block, so that a thread has all of most of its blocks.
  units_.clear();
  while (pending_.size() < epilogue.blocks) pending_.emplace_back();
  const size_t block_tiles = epilogue.block_outputs / kTileOutputs;
  for (size_t block = 0; block < epilogue.blocks; ++block) {
    const size_t listed = units_.size();
    for (const Product& product : products) {
      if (block < product.first_block) continue;
      const size_t first = (block - product.first_block) * block_tiles;
      list_units(product, first, std::min(first + block_tiles, product.matrix->tile_count()),
                 block);
    }
    pending_[block] = units_.size() - listed;
  }
  pool_.parallel_for(units_.size(), 1, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      const Unit& unit = units_[i];
      multiply_tiles(kernels_, *unit.product, unit.first_tile, unit.end_tile);
      // Whoever makes it 0 sees what all others have written.
      if (pending_[unit.block].fetch_sub(1, std::memory_order_acq_rel) == 1) {
        epilogue.done(unit.block);
      }
    }
  });
}

void Multiplier::list_units(const Product& product, size_t first_tile, size_t end_tile,
                            size_t block) {
  const size_t tiles = unit_tiles(*product.matrix, product.activations->rows());
  for (size_t tile = first_tile; tile < end_tile; tile += tiles) {
    units_.push_back({&product, tile, std::min(tile + tiles, end_tile), block});
  }
}

void multiply_tiles(const Kernels& kernels, const Product& product, size_t first_tile,
                    size_t end_tile) {
  const PackedMatrix& matrix = *product.matrix;
  const Activations& activations = *product.activations;
  MatmulArgs args;
  args.tiles = matrix.tiles;
  args.inputs = matrix.inputs;
  args.outputs = matrix.outputs;
  args.first_tile = first_tile;
  args.end_tile = end_tile;
  args.rows = activations.rows();
  args.quantized = activations.quantized(matrix.format);
  args.floats = activations.floats();
  args.out = product.out;
  args.out_stride = product.out_stride;
  args.accumulate = product.accumulate;
  kernels.matmul[static_cast<size_t>(matrix.format)](args);
}

}  // namespace pith
