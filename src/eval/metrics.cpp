#include "eval/metrics.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "base/rng.h"
#include "reason/vote.h"

namespace pith {
namespace {

using nlohmann::ordered_json;

constexpr uint64_t kSubsetSeed = 1;
constexpr uint64_t kBootstrapSeed = 2;

// The samples of a question as votes: answers that are the same in one group.
std::vector<Vote> votes_of(const QuestionResult& question) {
  std::vector<Ballot> ballots;
  std::vector<Vote> votes;
  for (const SampleResult& sample : question.samples) {
    ballots.push_back({sample.answer, 0});
    votes.push_back({-1, sample.correct, 1});
  }
  int32_t number = 0;
  for (const AnswerGroup& group : weighted_vote(ballots, question.kind)) {
    for (const size_t member : group.members) votes[member].group = number;
    ++number;
  }
  return votes;
}

std::vector<Vote> weighted(std::vector<Vote> votes, const QuestionResult& question) {
  for (size_t i = 0; i < votes.size(); ++i) votes[i].weight = question.samples[i].score;
  return votes;
}

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
  explicit MetricBuilder(const EvalRun& run) : run_(run) {
    for (const QuestionResult& question : run.questions) votes_.push_back(votes_of(question));
  }

  void add(std::string name, int k, const std::function<double(size_t)>& value) {
    Metric metric{std::move(name), k, {}};
    for (size_t i = 0; i < run_.questions.size(); ++i) metric.values.push_back(value(i));
    metrics_.push_back(std::move(metric));
  }

  void add_votes(const std::vector<int32_t>& branches) {
    for (const int k : branches) add("maj_at", k, [&](size_t i) { return at(votes_[i], i, k); });
    for (const int k : branches) {
      add("weighted_at", k,
          [&](size_t i) { return at(weighted(votes_[i], run_.questions[i]), i, k); });
    }
    for (const int k : branches) {
      add("pass_at", k, [&](size_t i) {
        const auto& votes = votes_[i];
        const auto correct = std::count_if(votes.begin(), votes.end(),
                                           [](const Vote& vote) { return vote.correct; });
        return pass_at(run_.samples, static_cast<int>(correct), k);
      });
    }
  }

  std::vector<Metric> take() { return std::move(metrics_); }

 private:
  // Subsets are the same for all votes and all runs.
  double at(std::span<const Vote> votes, size_t question, int k) const {
    const auto index = static_cast<uint64_t>(run_.questions[question].index);
    return vote_accuracy_at(votes, k, mix64(kSubsetSeed ^ mix64(index)));
  }

  const EvalRun& run_;
  std::vector<std::vector<Vote>> votes_;  // by question
  std::vector<Metric> metrics_;
};

std::vector<MetricEstimate> estimates_of(const std::vector<Metric>& metrics) {
  std::vector<MetricEstimate> estimates;
  estimates.reserve(metrics.size());
  for (const Metric& metric : metrics) {
    estimates.push_back({metric.name, metric.k, bootstrap_mean(metric.values, kBootstrapSeed)});
  }
  return estimates;
}

void count_sample(const SampleResult& sample, Summary& summary) {
  ++summary.sample_count;
  summary.tokens.push_back(sample.tokens);
  if (sample.truncated()) ++summary.truncated;
  if (sample.answer.empty()) ++summary.unanswered;
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

// The winner of all votes: its share of those that answered, and how right it is.
Judgement judge_vote(const std::vector<Vote>& votes) {
  std::map<int32_t, int> sizes;
  int answered = 0;
  int most = 0;
  for (const Vote& vote : votes) {
    if (vote.group < 0) continue;
    ++answered;
    most = std::max(most, ++sizes[vote.group]);
  }
  return {answered > 0 ? static_cast<double>(most) / answered : 0, vote_accuracy(votes)};
}

void judge(const EvalRun& run, Summary& summary) {
  std::vector<Judgement> agreement;
  std::vector<Judgement> scores;
  for (const QuestionResult& question : run.questions) {
    for (const SampleResult& sample : question.samples) {
      scores.push_back({sample.score, sample.correct ? 1.0 : 0.0});
    }
    if (run.samples > 1) agreement.push_back(judge_vote(votes_of(question)));
  }
  summary.agreement = reliability(agreement);
  summary.score = reliability(scores);
}

// The run with the questions alone that the other has too.
EvalRun common_questions(const EvalRun& run, const EvalRun& other) {
  std::set<int32_t> known;
  for (const QuestionResult& question : other.questions) known.insert(question.index);
  EvalRun common = run;
  std::erase_if(common.questions,
                [&](const QuestionResult& question) { return !known.contains(question.index); });
  return common;
}

}  // namespace

std::vector<Metric> metrics_of(const EvalRun& run, const std::vector<int32_t>& branches) {
  MetricBuilder builder(run);
  const auto& questions = run.questions;
  builder.add("pass_at_1", 0, [&](size_t i) { return share_correct(questions[i]); });
  if (run.greedy) {
    builder.add("greedy", 0, [&](size_t i) { return questions[i].greedy->correct ? 1.0 : 0.0; });
  }
  builder.add("mean_tokens", 0, [&](size_t i) { return mean_tokens(questions[i]); });
  if (run.greedy) {
    builder.add("greedy_tokens", 0,
                [&](size_t i) { return static_cast<double>(questions[i].greedy->tokens); });
  }
  builder.add_votes(branches);
  return builder.take();
}

std::vector<int32_t> default_branches(int32_t samples) {
  std::vector<int32_t> branches;
  for (int32_t k = 1; k < samples; k *= 2) branches.push_back(k);
  branches.push_back(samples);
  return branches;
}

Summary summarise(const EvalRun& run, const std::vector<int32_t>& branches) {
  Summary summary;
  summary.metrics = estimates_of(metrics_of(run, branches));
  count_samples(run, summary);
  judge(run, summary);
  return summary;
}

const Estimate* find(const Summary& summary, std::string_view name, int k) {
  for (const MetricEstimate& metric : summary.metrics) {
    if (metric.name == name && metric.k == k) return &metric.estimate;
  }
  return nullptr;
}

Result<Comparison> compare(const EvalRun& a, const EvalRun& b) {
  for (const char* name : {"task", "data_sha256"}) {
    if (a.settings.value(name, ordered_json()) != b.settings.value(name, ordered_json())) {
      return fail(ErrorCode::usage, "the two runs have different questions (different: {})", name);
    }
  }
  const EvalRun common_a = common_questions(a, b);
  const EvalRun common_b = common_questions(b, a);
  if (common_a.questions.empty()) {
    return fail(ErrorCode::usage, "the two runs have no question in common");
  }
  const auto branches = default_branches(std::min(a.samples, b.samples));
  const std::vector<Metric> metrics_a = metrics_of(common_a, branches);
  const std::vector<Metric> metrics_b = metrics_of(common_b, branches);
  Comparison comparison;
  comparison.questions = common_a.questions.size();
  for (const Metric& metric_a : metrics_a) {
    const auto metric_b =
        std::find_if(metrics_b.begin(), metrics_b.end(), [&](const Metric& metric) {
          return metric.name == metric_a.name && metric.k == metric_a.k;
        });
    if (metric_b == metrics_b.end()) continue;
    Metric difference{metric_a.name, metric_a.k, metric_b->values};
    for (size_t i = 0; i < difference.values.size(); ++i) {
      difference.values[i] -= metric_a.values[i];
    }
    comparison.a.push_back(estimates_of({metric_a}).front());
    comparison.b.push_back(estimates_of({*metric_b}).front());
    comparison.difference.push_back(estimates_of({difference}).front());
  }
  return comparison;
}

}  // namespace pith
