// The figures of a run that are means over its questions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "eval/results.h"
#include "eval/statistics.h"
#include "reason/vote.h"

namespace pith {

struct MetricName {
  std::string figure;  // "pass_at_1", "greedy", "mean_tokens", "greedy_tokens", "maj_at",
                       // "weighted_at", "pass_at"
  int k = 0;           // of maj_at, weighted_at, pass_at; else 0
  VoteRule rule = VoteRule::majority;  // of weighted_at another one

  bool operator==(const MetricName&) const = default;
};

// "maj_at", or "weighted_at" by the other rules.
const char* vote_figure(VoteRule rule);

// One figure, still by question: its value is their mean.
struct Metric {
  MetricName name;
  std::vector<double> values;  // by question
};

// Votes are of the sizes in `branches`, each at most the run's samples a question, by the
// rules that the samples have weights for.
std::vector<Metric> metrics_of(const EvalRun& run, const std::vector<int32_t>& branches);

// 1, 2, 4 and so on up to `samples`, and `samples` itself.
std::vector<int32_t> default_branches(int32_t samples);

struct MetricEstimate {
  MetricName name;
  Estimate estimate;
};

// The mean over questions. Whatever is estimated over the same questions is resampled alike.
Estimate estimate_of(const std::vector<double>& values);
std::vector<MetricEstimate> estimates_of(const std::vector<Metric>& metrics);

}  // namespace pith
