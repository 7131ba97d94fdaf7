// The gradient of a step that several ranks computed parts of.
#pragma once

#include <span>
#include <vector>

#include "train/ranks.h"
#include "train/torch.h"

namespace pith::train {

// Each parameter's .grad becomes its sum over the ranks, in all of them; `figures` too. A rank
// that had nothing to compute has no gradient. Errors: those of Ranks::sum; gradients are then
// of no use.
Status sum_gradients(Ranks& ranks, const std::vector<at::Tensor>& parameters,
                     std::span<double> figures);

}  // namespace pith::train
