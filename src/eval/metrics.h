// From the results of a run to its figures.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/results.h"
#include "eval/statistics.h"

namespace pith {

// One figure, still by question: its value is their mean.
struct Metric {
  std::string name;            // "pass_at_1", "greedy", "mean_tokens", "greedy_tokens", "maj_at",
                               // "weighted_at", "pass_at"
  int k = 0;                   // of maj_at, weighted_at, pass_at; else 0
  std::vector<double> values;  // by question
};

// Votes are of the sizes in `branches`, each at most the run's samples a question.
std::vector<Metric> metrics_of(const EvalRun& run, const std::vector<int32_t>& branches);

// 1, 2, 4 and so on up to `samples`, and `samples` itself.
std::vector<int32_t> default_branches(int32_t samples);

struct MetricEstimate {
  std::string name;
  int k = 0;
  Estimate estimate;
};

struct Summary {
  std::vector<MetricEstimate> metrics;
  // Over all samples but the greedy ones:
  std::vector<std::pair<std::string, double>> token_quantiles;  // "p10" ... "max"
  std::vector<int32_t> tokens;                                  // of each sample
  int64_t sample_count = 0;
  int64_t truncated = 0;
  int64_t unanswered = 0;
  // Over all that was drawn, greedy ones too:
  int64_t prompt_tokens = 0;  // each prompt counts once
  int64_t completion_tokens = 0;
  double tokens_per_second = 0;  // completions
  // Of the vote over all samples by its winner's share; of single samples by their score.
  Reliability agreement;
  Reliability score;
};

Summary summarise(const EvalRun& run, const std::vector<int32_t>& branches);

// The estimate of the figure, or null.
const Estimate* find(const Summary& summary, std::string_view name, int k = 0);

// Differences B - A, question by question, of what both runs have.
struct Comparison {
  size_t questions = 0;  // that both have
  std::vector<MetricEstimate> a;
  std::vector<MetricEstimate> b;
  std::vector<MetricEstimate> difference;
};

// Errors: usage (other data or another task, nothing in common).
Result<Comparison> compare(const EvalRun& a, const EvalRun& b);

}  // namespace pith
