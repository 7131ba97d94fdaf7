// How sure a branch was of what it wrote: DeepConf (arXiv 2508.15260), whose windows show
// a stretch of doubt that the mean over all tokens hides. There a token's confidence is
// taken from its k likeliest alternatives; here it is the log-probability of the token
// that was sampled, which every branch keeps anyway. Pure functions.
#pragma once

#include <cstddef>
#include <span>

#include "engine/sampler.h"

namespace pith {

// Tokens of a window: some sentences of a solution, about a fifth of a usual one.
inline constexpr size_t kConfidenceWindow = 64;

// Mean log-probabilities, natural logarithm, 0 at most.
struct BranchConfidence {
  double mean_window = 0;   // over all windows
  double worst_window = 0;  // of the least certain one

  // Of the branch's ballot: the geometric mean of the probabilities in the worst
  // window, 0 to 1.
  double weight() const;
};

// Over the windows of `window` (1 or more) tokens that follow each other: samples.size() -
// window + 1 of them, and a single one of all samples where they are fewer. Zeros without
// samples.
BranchConfidence branch_confidence(std::span<const SampledToken> samples,
                                   size_t window = kConfidenceWindow);

}  // namespace pith
