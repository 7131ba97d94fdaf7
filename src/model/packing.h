// From a model's file to its packed weights: what is to be packed, in which order, and
// the packing itself.
#pragma once

#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "io/gguf.h"
#include "model/config.h"
#include "model/weights.h"

namespace pith {

// A matrix and the tensor that it is packed from.
struct MatrixSource {
  const GgufTensor* tensor = nullptr;
  PackedMatrix* matrix = nullptr;
};

// Checks the tensors of a model and fills in `weights`: vectors as floats, matrices but for
// their tiles. The matrices, in the order in which their tiles stand in memory; they
// borrow from `weights`. Errors: corrupt (a tensor missing or of the wrong shape, named),
// unsupported (a tensor that the architecture does not have, named).
Result<std::vector<MatrixSource>> collect_weights(const GgufFile& file, const ModelConfig& config,
                                                  ModelWeights& weights);

// Bytes of the tiles of all matrices.
size_t packed_bytes(const std::vector<MatrixSource>& sources);

// Packs tiles [first, end) of a matrix into `out`, on the threads of `pool`.
void pack_tiles(const MatrixSource& source, size_t first, size_t end, uint8_t* out,
                ThreadPool& pool);

}  // namespace pith
