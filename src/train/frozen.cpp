#include "train/frozen.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace pith::train {
namespace {

// Rows of which the 8 bits stay in a core's cache while the weights pass.
constexpr int64_t kPassRows = 256;
// Of weights, likewise, while the rows pass.
constexpr size_t kPassBytes = 128 * 1024;

// Some tiles of a matrix, for one thread.
struct Piece {
  const PackedMatrix* matrix;
  float* out;  // row 0
  size_t first_tile, end_tile;
};

}  // namespace

const Activations& KernelRows::quantize(const at::Tensor& x,
                                        std::span<const PackedMatrix* const> matrices) {
  const auto rows = static_cast<size_t>(x.size(0));
  const auto inputs = static_cast<size_t>(x.size(1));
  if (rows * inputs > rows_ * inputs_) {
    rows_ = rows;
    inputs_ = inputs;
    activations_ = Activations(rows, inputs);
  }
  activations_.prepare(rows, inputs, {});
  for (const PackedMatrix* matrix : matrices) activations_.serve(*matrix);
  const auto* data = x.const_data_ptr<float>();
  at::parallel_for(0, static_cast<int64_t>(panel_count(rows)), 1, [&](int64_t first, int64_t end) {
    const size_t begin = panel_begin(rows, static_cast<size_t>(first));
    for (size_t t = begin; t < panel_begin(rows, static_cast<size_t>(end)); ++t) {
      activations_.quantize(kernels_, t, 0, inputs, data + t * inputs);
    }
  });
  return activations_;
}

FrozenMatrix::FrozenMatrix(at::Tensor weights, const MatrixSource& source, ThreadPool& pool,
                           std::shared_ptr<KernelRows> rows)
    : weights_(std::move(weights)), packed_(*source.matrix), rows_(std::move(rows)) {
  // A new failure to allocate has the face of LibTorch's, which callers know.
  Result<Pages> pages = Pages::allocate(packed_.bytes(), "the weights");
  TORCH_CHECK(pages.has_value(), pages.error().message);
  pack_tiles(source, 0, packed_.tile_count(), pages->data(), pool);
  packed_.tiles = pages->data();
  tiles_ = std::make_shared<const Pages>(std::move(*pages));
}

std::vector<at::Tensor> multiply(const at::Tensor& x,
                                 std::span<const FrozenMatrix* const> matrices) {
  std::vector<at::Tensor> results(matrices.size());
  std::vector<const PackedMatrix*> packed;
  for (size_t i = 0; i < matrices.size(); ++i) {
    const FrozenMatrix& matrix = *matrices[i];
    if (matrix.by_kernels()) {
      results[i] = at::empty({x.size(0), matrix.outputs()}, at::kFloat);
      packed.push_back(&matrix.packed_);
    } else {
      results[i] =
          at::linear(x.to(matrix.weights_.scalar_type()), matrix.weights_).to(x.scalar_type());
    }
  }
  if (packed.empty()) return results;
  KernelRows& rows = *(*std::find_if(matrices.begin(), matrices.end(), [](const auto* matrix) {
                        return matrix->by_kernels();
                      }))->rows_;
  for (int64_t first = 0; first < x.size(0); first += kPassRows) {
    const int64_t count = std::min(kPassRows, x.size(0) - first);
    const Activations& activations = rows.quantize(x.narrow(0, first, count), packed);
    std::vector<Piece> pieces;
    for (size_t i = 0; i < matrices.size(); ++i) {
      if (!matrices[i]->by_kernels()) continue;
      const PackedMatrix& matrix = matrices[i]->packed_;
      float* out = results[i].mutable_data_ptr<float>() + first * matrices[i]->outputs();
      const size_t tiles =
          std::max<size_t>(1, kPassBytes / tile_bytes(matrix.format, matrix.inputs));
      for (size_t tile = 0; tile < matrix.tile_count(); tile += tiles) {
        pieces.push_back({&matrix, out, tile, std::min(tile + tiles, matrix.tile_count())});
      }
    }
    at::parallel_for(0, static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Piece& piece = pieces[static_cast<size_t>(i)];
        MatmulArgs args;
        args.tiles = piece.matrix->tiles;
        args.inputs = piece.matrix->inputs;
        args.outputs = piece.matrix->outputs;
        args.first_tile = piece.first_tile;
        args.end_tile = piece.end_tile;
        args.rows = static_cast<size_t>(count);
        args.quantized = activations.quantized(piece.matrix->format);
        args.floats = activations.floats();
        args.out = piece.out;
        args.out_stride = piece.matrix->outputs;
        rows.kernels().matmul[static_cast<size_t>(piece.matrix->format)](args);
      }
    });
  }
  return results;
}

}  // namespace pith::train
