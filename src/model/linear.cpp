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

size_t unit_count(const Product& product) {
  const size_t unit = unit_tiles(*product.matrix, product.activations->rows());
  return (product.matrix->tile_count() + unit - 1) / unit;
}

void multiply_unit(const Kernels& kernels, const Product& product, size_t unit) {
  const PackedMatrix& matrix = *product.matrix;
  const Activations& activations = *product.activations;
  const size_t tiles = unit_tiles(matrix, activations.rows());
  MatmulArgs args;
  args.tiles = matrix.tiles;
  args.inputs = matrix.inputs;
  args.outputs = matrix.outputs;
  args.first_tile = unit * tiles;
  args.end_tile = std::min(args.first_tile + tiles, matrix.tile_count());
  args.rows = activations.rows();
  args.quantized = activations.quantized(matrix.format);
  args.floats = activations.floats();
  args.out = product.out;
  args.out_stride = product.out_stride;
  args.accumulate = product.accumulate;
  kernels.matmul[static_cast<size_t>(matrix.format)](args);
}

}  // namespace

Activations::Buffers::Buffers(size_t values)
    : q(values),
      scales(values / kBlockInputs),
      sums16(values / 16),
      sums32(values / 32),
      neg_sums(values / 16),
      scaled_sums(values / kBlockInputs),
      view{q.data(),      scales.data(),   sums16.data(),
           sums32.data(), neg_sums.data(), scaled_sums.data()} {}

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

void Activations::quantize(const Kernels& kernels, size_t row, const float* x) {
  const size_t panel = panel_of(rows_, row);
  const size_t first = panel_begin(rows_, panel);
  PanelRow place{{}, panel_begin(rows_, panel + 1) - first, row - first};
  const auto at = [&](const QuantizedRows& all, size_t scale_inputs, size_t neg_inputs) {
    return QuantizedRows{all.q + first * inputs_,
                         all.scales + first * (inputs_ / scale_inputs),
                         all.sums16 + first * (inputs_ / 16),
                         all.sums32 + first * (inputs_ / 32),
                         all.neg_sums + first * (inputs_ / neg_inputs),
                         all.scaled_sums + first * (inputs_ / kBlockInputs)};
  };
  if (needs_super_) {
    place.panel = at(super_.view, kSuperInputs, 16);
    kernels.quantize_super(x, inputs_, place);
  }
  if (needs_simple_) {
    place.panel = at(simple_.view, kBlockInputs, kBlockInputs);
    kernels.quantize_simple(x, inputs_, place);
  }
  if (needs_floats_) std::memcpy(floats_.data() + row * inputs_, x, inputs_ * sizeof(float));
}

void multiply(ThreadPool& pool, const Kernels& kernels, std::span<const Product> products) {
  size_t units = 0;
  for (const Product& product : products) units += unit_count(product);
  pool.parallel_for(units, 1, [&](size_t begin, size_t end, int) {
    for (size_t unit = begin; unit < end; ++unit) {
      size_t left = unit;
      for (const Product& product : products) {
        const size_t count = unit_count(product);
        if (left < count) {
          multiply_unit(kernels, product, left);
          break;
        }
        left -= count;
      }
    }
  });
}

}  // namespace pith
