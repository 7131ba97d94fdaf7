// How good a calibration (reason/calibration.h) is on votes that it was not made from.
// Pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "reason/calibration.h"

namespace pith {

inline constexpr size_t kFolds = 5;

struct CrossFit {
  // Of each vote: what a table says that was fitted to the votes of the other folds.
  std::vector<double> probabilities;
  Calibration calibration;  // fitted to all
};

// The votes are dealt to kFolds folds of the same size, by lot; kFolds votes at least.
CrossFit cross_fit(std::span<const JudgedVote> votes, uint64_t seed);

}  // namespace pith
