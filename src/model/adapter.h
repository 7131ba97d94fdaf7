// An adapter in memory, packed for the kernels.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "model/adapter_source.h"
#include "model/weights.h"

namespace pith {

// How the factors are stored. int8: one scale per output (the paper's section 6);
// int4: one scale per 32 numbers. f32 is for reference: what the others are measured
// against.
enum class AdapterPrecision { f32, f16, int8, int4 };
std::string_view adapter_precision_name(AdapterPrecision precision);  // "int8"

// The matrices of a layer that read the same rows, in the order of LayerMatrix.
enum class MatrixGroup : uint8_t { attention_input, attention_output, mlp_input, mlp_output };
inline constexpr int kMatrixGroups = 4;
inline constexpr size_t kMostGroupMatrices = 3;

// What an adapter adds to one matrix of a group: B (gain * u), where u is the part of
// A x from `offset` on. The factors are stored with numbers near 1, which all
// formats hold well; gain, a power of two, makes up for it.
struct AdapterDelta {
  size_t place = 0;   // of the matrix in its group
  size_t offset = 0;  // in the rows of the group's A
  float gain = 1;
  PackedMatrix b;  // [outputs, R], R rounded up to a multiple of 32 by zeros
};

struct AdapterGroup {
  PackedMatrix a;                    // the A of all deltas, one above the other: [sum of R, inputs]
  std::vector<AdapterDelta> deltas;  // none: the group is as in the base model
};

// Immutable once loaded: any number of engines and threads may share one.
class Adapter {
 public:
  // Packs `source`, which was opened for this model, on the threads of `pool`.
  // Errors: those of AdapterSource::read; exhausted (memory); unsupported (a model
  // whose widths the precision's blocks do not divide).
  static Result<std::shared_ptr<const Adapter>> load(const AdapterSource& source,
                                                     const ModelConfig& config,
                                                     AdapterPrecision precision, ThreadPool& pool);

  const AdapterGroup& group(int32_t layer, MatrixGroup group) const {
    return layers_[static_cast<size_t>(layer)][static_cast<size_t>(group)];
  }
  // Whether its matrices are those of such a model.
  bool fits(const ModelConfig& config) const;
  size_t rank() const { return rank_; }              // the largest
  size_t row_floats() const { return row_floats_; }  // most rows of a group's A
  size_t packed_bytes() const { return arena_.size(); }
  const std::vector<int32_t>& invocation_tokens() const { return invocation_tokens_; }

 private:
  Adapter() = default;

  std::vector<std::array<AdapterGroup, kMatrixGroups>> layers_;
  std::array<MatrixShape, kLayerMatrices> shapes_{};  // of the model it is for
  size_t rank_ = 0;
  size_t row_floats_ = 0;
  std::vector<int32_t> invocation_tokens_;
  Pages arena_;  // the tiles of all matrices
};

}  // namespace pith
