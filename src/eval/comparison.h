// Two runs on the same questions.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "eval/metrics.h"
#include "eval/results.h"
#include "eval/routing.h"

namespace pith {

// Differences B - A, question by question, of what both runs have.
struct Comparison {
  size_t questions = 0;  // that both have
  std::vector<MetricEstimate> a;
  std::vector<MetricEstimate> b;
  std::vector<MetricEstimate> difference;
  std::vector<std::string> left_out;  // see left_out_votes(), after "A: " or "B: "
  std::vector<RoutingPoint> routing;  // where one run never reasons and the other always does
};

// Errors: usage (other data or another task, nothing in common).
Result<Comparison> compare(const EvalRun& a, const EvalRun& b);

}  // namespace pith
