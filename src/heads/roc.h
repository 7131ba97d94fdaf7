// How well scores tell right from wrong. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "eval/statistics.h"

namespace pith {

struct ScoredRow {
  double score = 0;
  bool positive = false;
  size_t question = 0;  // rows of one question are resampled together
};

// The chance that a positive row has a higher score than a negative one, a tie counting half;
// with a 95 % percentile bootstrap interval over questions. 0.5 where there is but one class.
Estimate auc(std::span<const ScoredRow> rows, uint64_t seed);

// The same among the rows of each question that has both classes, in the mean over these
// questions: what a vote over the branches of one question can use.
Estimate auc_within_questions(std::span<const ScoredRow> rows, uint64_t seed);

struct RocPoint {
  double false_positives = 0;  // shares of their class
  double true_positives = 0;
};

// From (0, 0) to (1, 1), thinned to about `most` points.
std::vector<RocPoint> roc_curve(std::span<const ScoredRow> rows, size_t most = 60);

}  // namespace pith
