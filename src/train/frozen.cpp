#include "train/frozen.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace pith::train {
namespace {

// Rows of which the 8 bits stay in a core's cache while the weights pass.
constexpr int64_t kPassRows = 256;
// Of weights, likewise, while the rows pass; but two tiles at least, which kernels take together.
constexpr size_t kPassBytes = 128 * 1024;

// Some tiles of a product, for one thread.
struct Piece {
  const KernelProduct* product;
  size_t first_tile, end_tile;
};

std::vector<Piece> pieces_of(std::span<const KernelProduct> products) {
  std::vector<Piece> pieces;
  for (const KernelProduct& product : products) {
    const PackedMatrix& matrix = *product.matrix;
    const size_t fit = kPassBytes / tile_bytes(matrix.format, matrix.inputs);
    const size_t tiles = std::max<size_t>(2, fit / 2 * 2);
    for (size_t tile = 0; tile < matrix.tile_count(); tile += tiles) {
      pieces.push_back({&product, tile, std::min(tile + tiles, matrix.tile_count())});
    }
  }
  return pieces;
}

// Row t as floats, in `room` unless it is that already; zeros follow up to the size of that.
const float* floats_of(const at::Tensor& rows, int64_t t, const AllRowLoops& loops,
                       std::vector<float>& room) {
  const auto count = static_cast<size_t>(rows.size(1));
  if (rows.scalar_type() == at::kFloat) {
    const float* row = rows.const_data_ptr<float>() + t * rows.stride(0);
    if (count == room.size()) return row;
    std::copy_n(row, count, room.begin());
  } else {
    const at::BFloat16* row = rows.const_data_ptr<at::BFloat16>() + t * rows.stride(0);
    loops.bf16.widen(reinterpret_cast<const Bfloat16*>(row), count, room.data());
  }
  std::fill(room.begin() + rows.size(1), room.end(), 0.0f);
  return room.data();
}

}  // namespace

void KernelRows::quantize(const at::Tensor& rows, std::span<const KernelProduct> products) {
  const auto count = static_cast<size_t>(rows.size(0));
  const size_t inputs = products[0].matrix->inputs;
  if (count * inputs > rows_ * inputs_) {
    rows_ = count;
    inputs_ = inputs;
    activations_ = Activations(count, inputs);
  }
  activations_.prepare(count, inputs, {});
  for (const KernelProduct& product : products) activations_.serve(*product.matrix);
  at::parallel_for(0, static_cast<int64_t>(panel_count(count)), 1, [&](int64_t first, int64_t end) {
    std::vector<float> room(inputs);
    const size_t begin = panel_begin(count, static_cast<size_t>(first));
    for (size_t t = begin; t < panel_begin(count, static_cast<size_t>(end)); ++t) {
      const float* row = floats_of(rows, static_cast<int64_t>(t), loops_, room);
      activations_.quantize(kernels_, t, 0, inputs, row);
    }
  });
}

void KernelRows::multiply(const at::Tensor& rows, std::span<const KernelProduct> products) {
  const std::vector<Piece> pieces = pieces_of(products);
  for (int64_t first = 0; first < rows.size(0); first += kPassRows) {
    const int64_t count = std::min(kPassRows, rows.size(0) - first);
    quantize(rows.narrow(0, first, count), products);
    at::parallel_for(0, static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Piece& piece = pieces[static_cast<size_t>(i)];
        const KernelProduct& product = *piece.product;
        const size_t outputs = product.matrix->outputs;
        multiply_tiles(kernels_,
                       {product.matrix, product.out + static_cast<size_t>(first) * outputs, outputs,
                        product.accumulate, &activations_},
                       piece.first_tile, piece.end_tile);
      }
    });
  }
}

FrozenMatrix::FrozenMatrix(const MatrixSource& source, ThreadPool& pool,
                           std::shared_ptr<KernelRows> rows)
    : packed_(*source.matrix), transpose_(*source.tensor, pool), rows_(std::move(rows)) {
  // A new failure to allocate has the face of LibTorch's, which callers know.
  Result<Pages> pages = Pages::allocate(packed_.bytes(), "the weights");
  TORCH_CHECK(pages.has_value(), pages.error().message);
  pack_tiles(source, 0, packed_.tile_count(), pages->data(), pool);
  packed_.tiles = pages->data();
  tiles_ = std::make_shared<const Pages>(std::move(*pages));
}

std::vector<at::Tensor> multiply(const at::Tensor& x,
                                 std::span<const FrozenMatrix* const> matrices) {
  std::vector<at::Tensor> results;
  std::vector<KernelProduct> products;
  KernelRows* kernels = nullptr;
  for (const FrozenMatrix* matrix : matrices) {
    if (matrix->by_kernels()) {
      results.push_back(at::empty({x.size(0), matrix->outputs()}, at::kFloat));
      products.push_back({&matrix->packed_, results.back().mutable_data_ptr<float>()});
      kernels = matrix->rows_.get();
    } else {
      results.push_back(
          at::linear(x.to(matrix->rows_type()), matrix->weights_).to(x.scalar_type()));
    }
  }
  if (kernels != nullptr) kernels->multiply(x, products);
  return results;
}

at::Tensor multiply_backward(std::span<const at::Tensor> dys,
                             std::span<const FrozenMatrix* const> matrices) {
  at::Tensor dx;
  for (size_t i = 0; i < matrices.size(); ++i) {
    const FrozenMatrix& matrix = *matrices[i];
    const at::Tensor& dy = dys[i];
    if (!matrix.by_kernels()) {
      const at::Tensor product = at::mm(dy, matrix.weights_);
      dx = dx.defined() ? dx.add_(product) : product.to(stream_type(product.scalar_type()));
      continue;
    }
    bool accumulate = dx.defined();
    if (!accumulate) dx = at::empty({dy.size(0), matrix.inputs()}, at::kFloat);
    int64_t first = 0;
    for (const PackedMatrix& part : matrix.transpose_.parts()) {
      const int64_t count = std::min<int64_t>(PackedTranspose::kPartOutputs, dy.size(1) - first);
      const KernelProduct product{&part, dx.mutable_data_ptr<float>(), accumulate};
      matrix.rows_->multiply(dy.narrow(1, first, count), {&product, 1});
      accumulate = true;
      first += count;
    }
  }
  return dx;
}

}  // namespace pith::train
