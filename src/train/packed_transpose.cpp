#include "train/packed_transpose.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tensor/half.h"
#include "tensor/pack.h"
#include "train/torch.h"

namespace pith::train {
namespace {

constexpr size_t kColumns = 16;    // inputs that are quantised at a time
constexpr size_t kStripGrain = 2;  // strips that a thread takes at a time
constexpr size_t kTileGrain = 4;
constexpr DType kType = DType::q8_0;

// 32 outputs of 16 inputs, rows `stride` floats apart, as a Q8_0 block of each input; these
// are `block_stride` bytes apart.
void quantize_columns(const float* rows, size_t stride, uint8_t* blocks, size_t block_stride) {
  float most[kColumns] = {};
  for (size_t j = 0; j < kBlockInputs; ++j) {
    for (size_t i = 0; i < kColumns; ++i) {
      const float size = std::abs(rows[j * stride + i]);
      most[i] = size > most[i] ? size : most[i];
    }
  }
  float inverse[kColumns];
  for (size_t i = 0; i < kColumns; ++i) {
    const uint16_t scale = half_from_float(most[i] / 127);
    const float step = float_from_half(scale);
    inverse[i] = step > 0 ? 1 / step : 0;
    std::memcpy(blocks + i * block_stride, &scale, sizeof scale);
  }
  // Adding 1.5 * 2^23 leaves no bits for fractions: rounds to nearest.
  constexpr float kRound = 12582912.0f;
  for (size_t j = 0; j < kBlockInputs; ++j) {
    int8_t q[kColumns];
    for (size_t i = 0; i < kColumns; ++i) {
      const float exact = std::clamp(rows[j * stride + i] * inverse[i], -127.0f, 127.0f);
      q[i] = static_cast<int8_t>((exact + kRound) - kRound);
    }
    for (size_t i = 0; i < kColumns; ++i) {
      blocks[i * block_stride + sizeof(uint16_t) + j] = static_cast<uint8_t>(q[i]);
    }
  }
}

// Outputs [first, first + part.inputs) of a matrix, as far as there are any, as Q8_0 rows of
// its inputs.
void quantize_part(const GgufTensor& tensor, size_t first, const PackedMatrix& part,
                   uint8_t* blocks, ThreadPool& pool) {
  const size_t inputs = part.outputs;
  const size_t source_bytes = row_bytes(tensor.type, inputs);
  const size_t stride = row_bytes(kType, part.inputs);
  const size_t strip_floats = kBlockInputs * inputs;
  std::vector<float> strips(static_cast<size_t>(pool.threads()) * strip_floats);
  pool.parallel_for(part.inputs / kBlockInputs, kStripGrain,
                    [&](size_t begin, size_t end, int thread) {
                      float* strip = strips.data() + static_cast<size_t>(thread) * strip_floats;
                      for (size_t block = begin; block < end; ++block) {
                        const size_t top = first + block * kBlockInputs;
                        const size_t count = std::min<size_t>(kBlockInputs, tensor.rows() - top);
                        for (size_t j = 0; j < count; ++j) {
                          dequantize_row(tensor.type, tensor.data.data() + (top + j) * source_bytes,
                                         strip + j * inputs, inputs);
                        }
                        std::fill(strip + count * inputs, strip + strip_floats, 0.0f);
                        uint8_t* column = blocks + block * dtype_info(kType).block_bytes;
                        for (size_t i = 0; i < inputs; i += kColumns) {
                          quantize_columns(strip + i, inputs, column + i * stride, stride);
                        }
                      }
                    });
}

}  // namespace

PackedTranspose::PackedTranspose(const GgufTensor& tensor, ThreadPool& pool) {
  const size_t inputs = tensor.shape[0];
  const size_t outputs = tensor.rows();
  TORCH_CHECK(inputs % kBlockInputs == 0, "blocks of 32 inputs");
  size_t bytes = 0;
  for (size_t first = 0; first < outputs; first += kPartOutputs) {
    const size_t count = std::min(kPartOutputs, outputs - first);
    const size_t padded = (count + kBlockInputs - 1) / kBlockInputs * kBlockInputs;
    parts_.push_back({packed_format_of(kType), inputs, padded, nullptr});
    bytes += parts_.back().bytes();
  }
  Result<Pages> pages = Pages::allocate(bytes, "the weights");
  TORCH_CHECK(pages.has_value(), pages.error().message);
  uint8_t* next = pages->data();
  std::vector<uint8_t> blocks(inputs * row_bytes(kType, parts_.front().inputs));
  for (size_t p = 0; p < parts_.size(); ++p) {
    PackedMatrix& part = parts_[p];
    quantize_part(tensor, p * kPartOutputs, part, blocks.data(), pool);
    const size_t tile = tile_bytes(part.format, part.inputs);
    pool.parallel_for(part.tile_count(), kTileGrain, [&](size_t begin, size_t end, int) {
      for (size_t t = begin; t < end; ++t) {
        pack_tile(kType, blocks.data(), part.outputs, part.inputs, t, next + t * tile);
      }
    });
    part.tiles = next;
    next += part.bytes();
  }
  tiles_ = std::make_shared<const Pages>(std::move(*pages));
}

}  // namespace pith::train
