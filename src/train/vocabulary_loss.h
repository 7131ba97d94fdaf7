// Log-probabilities over a vocabulary that is much larger than the model is wide.
#pragma once

#include "train/frozen.h"

namespace pith::train {

// Rows whose logits are in memory at a time: 150,000 tokens of them are 78 MB as floats.
inline constexpr int64_t kLossChunkRows = 128;

// log softmax(head hidden[t])[targets[t]] of all rows: [T].
//   hidden [T, C] after the final norm; head [V, C]; targets [T] int64.
// The logits of all rows are never there at once: where `hidden` needs a gradient, the forward
// pass computes it too, chunk by chunk, and keeps that alone [T, C], which the backward pass
// multiplies row by row. So it is right only where the result is differentiated once.
at::Tensor vocabulary_log_probabilities(const at::Tensor& hidden, const FrozenMatrix& head,
                                        const at::Tensor& targets,
                                        int64_t chunk_rows = kLossChunkRows);

// log_softmax_gradient_rows() of train/row_ops.h in LibTorch's own operations, for other devices
// than the CPU.
at::Tensor plain_log_softmax_gradient(const at::Tensor& logits, const at::Tensor& log_sums,
                                      const at::Tensor& targets, at::ScalarType type);

}  // namespace pith::train
