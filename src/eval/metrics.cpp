#include "eval/metrics.h"

#include <algorithm>
#include <functional>

#include "base/rng.h"
#include "eval/votes.h"

namespace pith {
namespace {

constexpr uint64_t kSubsetSeed = 1;
constexpr uint64_t kBootstrapSeed = 2;

double share_correct(const QuestionResult& question) {
  double correct = 0;
  for (const SampleResult& sample : question.samples) correct += sample.correct ? 1 : 0;
  return correct / static_cast<double>(question.samples.size());
}

double mean_tokens(const QuestionResult& question) {
  double tokens = 0;
  for (const SampleResult& sample : question.samples) tokens += sample.tokens;
  return tokens / static_cast<double>(question.samples.size());
}

// Values by question of one metric.
class MetricBuilder {
 public:
  explicit MetricBuilder(const EvalRun& run) : run_(run) {}

  void add(MetricName name, const std::function<double(const QuestionResult&)>& value) {
    Metric metric{std::move(name), {}};
    for (const QuestionResult& question : run_.questions) metric.values.push_back(value(question));
    metrics_.push_back(std::move(metric));
  }

  void add_votes(VoteRule rule, const std::vector<int32_t>& branches) {
    const std::vector<std::vector<Vote>> votes = votes_of(run_, rule);
    for (const int32_t k : branches) {
      Metric metric{{vote_figure(rule), k, rule}, {}};
      for (size_t i = 0; i < votes.size(); ++i) {
        metric.values.push_back(vote_accuracy_at(votes[i], k, subset_seed(run_.questions[i])));
      }
      metrics_.push_back(std::move(metric));
    }
  }

  void add_pass_at(const std::vector<int32_t>& branches) {
    for (const int32_t k : branches) {
      add({"pass_at", k}, [&](const QuestionResult& question) {
        const auto& samples = question.samples;
        const auto correct = std::count_if(samples.begin(), samples.end(),
                                           [](const SampleResult& s) { return s.correct; });
        return pass_at(run_.samples, static_cast<int>(correct), k);
      });
    }
  }

  std::vector<Metric> take() { return std::move(metrics_); }

 private:
  // Subsets are the same for all votes and all runs.
  static uint64_t subset_seed(const QuestionResult& question) {
    return mix64(kSubsetSeed ^ mix64(static_cast<uint64_t>(question.index)));
  }

  const EvalRun& run_;
  std::vector<Metric> metrics_;
};

}  // namespace

const char* vote_figure(VoteRule rule) {
  return rule == VoteRule::majority ? "maj_at" : "weighted_at";
}

std::vector<Metric> metrics_of(const EvalRun& run, const std::vector<int32_t>& branches) {
  MetricBuilder builder(run);
  builder.add({"pass_at_1"}, share_correct);
  if (run.greedy) {
    builder.add({"greedy"}, [](const QuestionResult& question) {
      return question.greedy->correct ? 1.0 : 0.0;
    });
  }
  builder.add({"mean_tokens"}, mean_tokens);
  if (run.greedy) {
    builder.add({"greedy_tokens"}, [](const QuestionResult& question) {
      return static_cast<double>(question.greedy->tokens);
    });
  }
  for (const VoteRule rule : vote_rules(run)) builder.add_votes(rule, branches);
  builder.add_pass_at(branches);
  return builder.take();
}

std::vector<int32_t> default_branches(int32_t samples) {
  std::vector<int32_t> branches;
  for (int32_t k = 1; k < samples; k *= 2) branches.push_back(k);
  branches.push_back(samples);
  return branches;
}

Estimate estimate_of(const std::vector<double>& values) {
  return bootstrap_mean(values, kBootstrapSeed);
}

std::vector<MetricEstimate> estimates_of(const std::vector<Metric>& metrics) {
  std::vector<MetricEstimate> estimates;
  estimates.reserve(metrics.size());
  for (const Metric& metric : metrics) {
    estimates.push_back({metric.name, estimate_of(metric.values)});
  }
  return estimates;
}

}  // namespace pith
