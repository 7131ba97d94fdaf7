#include "eval/summary.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "base/rng.h"
#include "eval/cross_fit.h"
#include "eval/votes.h"

namespace pith {
namespace {

constexpr uint64_t kOrderSeed = 3;
constexpr uint64_t kFoldSeed = 4;
// What `pith ask` does anyway, and three ways to ask for more.
constexpr std::array<StopAt, 4> kStops = {std::nullopt, 0.9, 0.95, 0.99};

void count_sample(const SampleResult& sample, Summary& summary) {
  ++summary.sample_count;
  summary.tokens.push_back(sample.tokens);
  if (sample.truncated()) ++summary.truncated;
  if (sample.answer.empty()) ++summary.unanswered;
  if (sample.thinking) ++summary.thinking;
}

void count_samples(const EvalRun& run, Summary& summary) {
  for (const QuestionResult& question : run.questions) {
    summary.prompt_tokens += question.prompt_tokens;
    for (const SampleResult& sample : question.samples) {
      summary.completion_tokens += sample.tokens;
      count_sample(sample, summary);
    }
    if (question.greedy) summary.completion_tokens += question.greedy->tokens;
  }
  if (run.seconds > 0) {
    summary.tokens_per_second = static_cast<double>(summary.completion_tokens) / run.seconds;
  }
  const std::vector<double> tokens(summary.tokens.begin(), summary.tokens.end());
  if (tokens.empty()) return;
  constexpr std::pair<const char*, double> kQuantiles[] = {
      {"min", 0}, {"p10", 0.1}, {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"max", 1}};
  for (const auto& [name, q] : kQuantiles) {
    summary.token_quantiles.emplace_back(name, quantile(tokens, q));
  }
}

Reliability score_reliability(const EvalRun& run) {
  std::vector<Judgement> judgements;
  for (const QuestionResult& question : run.questions) {
    for (const SampleResult& sample : question.samples) {
      judgements.push_back({sample.score, sample.correct ? 1.0 : 0.0});
    }
  }
  return reliability(judgements);
}

std::vector<int32_t> tokens_of(const QuestionResult& question) {
  std::vector<int32_t> tokens;
  for (const SampleResult& sample : question.samples) tokens.push_back(sample.tokens);
  return tokens;
}

StopOutcome full_vote(const std::vector<Vote>& votes, const std::vector<int32_t>& tokens) {
  return {tally(votes).accuracy(), static_cast<double>(votes.size()),
          std::accumulate(tokens.begin(), tokens.end(), 0.0)};
}

double saved(double taken, double all) { return all > 0 ? 1 - taken / all : 0; }

// Both by question: votes that stopped early, and those over all samples.
EarlyStop early_stop(const StopAt& stop_at, const std::vector<StopOutcome>& stopped,
                     const std::vector<StopOutcome>& full) {
  std::vector<double> accuracy;
  std::vector<double> difference;
  std::vector<double> samples;
  std::vector<double> tokens;
  StopOutcome all;
  for (size_t i = 0; i < full.size(); ++i) {
    accuracy.push_back(stopped[i].accuracy);
    difference.push_back(stopped[i].accuracy - full[i].accuracy);
    samples.push_back(stopped[i].samples);
    tokens.push_back(stopped[i].tokens);
    all.samples += full[i].samples / static_cast<double>(full.size());
    all.tokens += full[i].tokens / static_cast<double>(full.size());
  }
  return {stop_at,
          estimate_of(accuracy),
          estimate_of(difference),
          estimate_of(samples),
          estimate_of(tokens),
          saved(mean(samples), all.samples),
          saved(mean(tokens), all.tokens)};
}

std::vector<EarlyStop> early_stops(const EvalRun& run,
                                   const std::vector<std::vector<Vote>>& votes) {
  std::vector<StopOutcome> full;
  std::array<std::vector<StopOutcome>, kStops.size()> stopped;
  for (size_t i = 0; i < votes.size(); ++i) {
    const std::vector<int32_t> tokens = tokens_of(run.questions[i]);
    full.push_back(full_vote(votes[i], tokens));
    const uint64_t seed = mix64(kOrderSeed ^ mix64(static_cast<uint64_t>(run.questions[i].index)));
    const auto outcomes = stop_early(votes[i], tokens, kStops, seed);
    for (size_t stop = 0; stop < kStops.size(); ++stop) stopped[stop].push_back(outcomes[stop]);
  }
  std::vector<EarlyStop> stops;
  for (size_t stop = 0; stop < kStops.size(); ++stop) {
    stops.push_back(early_stop(kStops[stop], stopped[stop], full));
  }
  return stops;
}

// A vote that nobody takes part in has no winner: its confidence is 0, calibrated or not.
void judge_votes(const std::vector<std::vector<Vote>>& votes, VoteSummary& summary) {
  std::vector<Judgement> judgements;
  std::vector<JudgedVote> answered;
  std::vector<size_t> place;  // of the answered ones, in judgements
  for (const std::vector<Vote>& question : votes) {
    const Tally all = tally(question);
    if (all.answered() > 0) {
      place.push_back(judgements.size());
      answered.push_back({all.leader_share(), all.answered(), all.accuracy()});
    }
    judgements.push_back({all.leader_share(), all.accuracy()});
  }
  summary.agreement = reliability(judgements);
  if (answered.size() < kFolds) return;
  CrossFit fit = cross_fit(answered, kFoldSeed);
  for (size_t i = 0; i < place.size(); ++i) {
    judgements[place[i]].confidence = fit.probabilities[i];
  }
  summary.calibrated = reliability(judgements);
  summary.calibration = std::move(fit.calibration);
}

VoteSummary summarise_votes(const EvalRun& run, VoteRule rule) {
  const std::vector<std::vector<Vote>> votes = votes_of(run, rule);
  VoteSummary summary;
  summary.rule = rule;
  summary.early_stops = early_stops(run, votes);
  judge_votes(votes, summary);
  return summary;
}

}  // namespace

Summary summarise(const EvalRun& run, const std::vector<int32_t>& branches, VoteRule vote) {
  Summary summary;
  const int32_t largest = *std::max_element(branches.begin(), branches.end());
  summary.headline = {vote_figure(vote), largest, vote};
  summary.metrics = estimates_of(metrics_of(run, branches));
  if (run.samples > 1) {
    for (const VoteRule rule : vote_rules(run)) summary.votes.push_back(summarise_votes(run, rule));
    std::stable_partition(summary.votes.begin(), summary.votes.end(),
                          [vote](const VoteSummary& votes) { return votes.rule == vote; });
  }
  summary.left_out = left_out_votes(run);
  summary.score = score_reliability(run);
  count_samples(run, summary);
  return summary;
}

const Estimate* find(const Summary& summary, const MetricName& name) {
  for (const MetricEstimate& metric : summary.metrics) {
    if (metric.name == name) return &metric.estimate;
  }
  return nullptr;
}

}  // namespace pith
