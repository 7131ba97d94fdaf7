// All figures of a run, as its reports show them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "eval/metrics.h"
#include "eval/results.h"
#include "eval/statistics.h"
#include "eval/stopping.h"
#include "reason/calibration.h"

namespace pith {

// A vote that stops early (eval/stopping.h), over the questions.
struct EarlyStop {
  StopAt stop_at;
  Estimate accuracy;
  Estimate difference;  // accuracy less that of the vote over all samples
  Estimate samples;     // taken, of a question
  Estimate tokens;
  double saved_samples = 0;  // parts of all samples and of their tokens, 0 to 1
  double saved_tokens = 0;
};

// The votes over all samples by one rule: how far to trust the winner's share of the weight.
struct VoteSummary {
  VoteRule rule = VoteRule::majority;
  std::vector<EarlyStop> early_stops;
  Reliability agreement;  // of the share as it is
  // Of the share turned into a probability (eval/cross_fit.h), and the table of all
  // questions; none where fewer than kFolds questions have an answer.
  std::optional<Reliability> calibrated;
  std::optional<Calibration> calibration;
};

struct Summary {
  std::vector<MetricEstimate> metrics;
  MetricName headline;                // the largest vote by the rule that was asked for
  std::vector<VoteSummary> votes;     // by rule, the headline's first; none of single samples
  std::vector<std::string> left_out;  // see left_out_votes()
  Reliability score;                  // of single samples by their score
  // Over all samples but the greedy ones:
  std::vector<std::pair<std::string, double>> token_quantiles;  // "p10" ... "max"
  std::vector<int32_t> tokens;                                  // of each sample
  int64_t sample_count = 0;
  int64_t truncated = 0;
  int64_t unanswered = 0;
  int64_t thinking = 0;  // that reasoned
  // Over all that was drawn, greedy ones too:
  int64_t prompt_tokens = 0;  // each prompt counts once
  int64_t completion_tokens = 0;
  double tokens_per_second = 0;  // completions
};

// Votes are of the sizes in `branches`, as in metrics_of(); `vote` is one of vote_rules().
Summary summarise(const EvalRun& run, const std::vector<int32_t>& branches,
                  VoteRule vote = VoteRule::majority);

// The estimate of the figure, or null.
const Estimate* find(const Summary& summary, const MetricName& name);

}  // namespace pith
