// What a switcher's probabilities are worth: the accuracy that they buy for each share of
// the questions that reasons (arXiv 2603.16867, section 7).
#pragma once

#include <optional>
#include <vector>

#include "eval/results.h"

namespace pith {

struct RoutingPoint {
  double share = 0;      // of the questions that reasons: the likeliest to need it
  double threshold = 1;  // probability of the last of them; 1 where none does
  double accuracy = 0;   // mean over questions of pass@1
  double tokens = 0;     // of a sample, mean over questions
};

// The probability that the switcher gave the question; none where it was not asked.
std::optional<double> think_probability(const QuestionResult& question);

// The points for shares of 0, 0.1 .. 1, of two runs over the same questions in the same
// order: `direct` never reasons, `thinking` always does. Empty when it is not so, or when a
// question has no probability.
std::vector<RoutingPoint> routing_curve(const EvalRun& direct, const EvalRun& thinking);

}  // namespace pith
