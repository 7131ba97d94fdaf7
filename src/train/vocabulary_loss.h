// Cross-entropy over a vocabulary that is much larger than the model is wide.
#pragma once

#include "train/torch.h"

namespace pith::train {

// Rows whose logits are in memory at a time: 150,000 tokens of them are 78 MB as floats.
inline constexpr int64_t kLossChunkRows = 128;

struct VocabularyLoss {
  at::Tensor loss;               // a number; its gradient goes to the hidden states
  at::Tensor log_probabilities;  // [T] of the targets; has no gradient
};

// The sum over rows of weights[t] * -log softmax(head hidden[t])[targets[t]].
//   hidden [T, C] after the final norm; head [V, C], frozen; targets [T] int64; weights [T].
// The logits of all rows are never there at once: the forward pass computes loss and
// gradient chunk by chunk and keeps the gradient [T, C] alone, which the backward pass
// multiplies. So it is right only where the result is differentiated once.
VocabularyLoss vocabulary_loss(const at::Tensor& hidden, const at::Tensor& head,
                               const at::Tensor& targets, const at::Tensor& weights,
                               int64_t chunk_rows = kLossChunkRows);

}  // namespace pith::train
