#include "heads/verifier_training.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "eval/metrics.h"
#include "eval/votes.h"
#include "heads/folds.h"
#include "heads/logistic.h"

namespace pith {
namespace {

constexpr uint64_t kAucSeed = 3;
constexpr double kLeastScore = 1e-300;  // a report's samples have scores above 0

// A sample that has an answer: it can vote.
struct VoterRow {
  size_t row = 0;  // of all samples
  size_t prompt = 0;
  size_t question = 0;
  bool correct = false;
  bool trains = false;
};

std::vector<VoterRow> voters_of(const SampleSet& set) {
  std::vector<VoterRow> voters;
  size_t row = 0;
  for (size_t i = 0; i < set.prompts.size(); ++i) {
    for (const HeadSample& sample : set.prompts[i].samples) {
      if (!sample.answer.empty()) {
        voters.push_back({row, i, set.prompts[i].question, sample.correct, sample.stopped});
      }
      ++row;
    }
  }
  return voters;
}

// Samples as a run of `pith eval` has them, with `scores` by row as the verifier's. Prompts
// with fewer than `samples` are left out, the rest of longer ones too.
EvalRun run_of(const SampleSet& set, const std::vector<double>& scores, size_t samples) {
  EvalRun run;
  run.samples = static_cast<int32_t>(samples);
  size_t row = 0;
  for (size_t i = 0; i < set.prompts.size(); ++i) {
    const SampledPrompt& prompt = set.prompts[i];
    if (prompt.samples.size() >= samples) {
      QuestionResult question;
      question.index = static_cast<int32_t>(i);
      question.kind = prompt.kind;
      for (size_t s = 0; s < samples; ++s) {
        const HeadSample& sample = prompt.samples[s];
        SampleResult result;
        result.answer = sample.answer;
        result.correct = sample.correct;
        result.tokens = static_cast<int32_t>(sample.completion.size());
        result.score = std::clamp(std::exp(sample.mean_log_probability), kLeastScore, 1.0);
        result.finish_reason = sample.stopped ? FinishReason::stop : FinishReason::budget;
        result.verifier_score = scores[row + s];
        question.samples.push_back(std::move(result));
      }
      run.questions.push_back(std::move(question));
    }
    row += prompt.samples.size();
  }
  return run;
}

// How many samples most prompts have.
size_t usual_samples(const SampleSet& set) {
  std::map<size_t, size_t> counts;
  for (const SampledPrompt& prompt : set.prompts) ++counts[prompt.samples.size()];
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

// Of each sample, the share of the others with an answer that give the same one, by row.
std::vector<double> vote_shares(const SampleSet& set) {
  std::vector<double> shares;
  const std::vector<double> none(set.samples);
  for (const SampledPrompt& prompt : set.prompts) {
    SampleSet own;
    own.prompts = {prompt};
    const auto votes = votes_of(run_of(own, none, prompt.samples.size()), VoteRule::majority)[0];
    std::map<int32_t, double> members;
    double answered = 0;
    for (const Vote& vote : votes) {
      if (vote.group < 0) continue;
      ++members[vote.group];
      ++answered;
    }
    for (const Vote& vote : votes) {
      const bool alone = vote.group < 0 || answered < 2;
      shares.push_back(alone ? 0 : (members[vote.group] - 1) / (answered - 1));
    }
  }
  return shares;
}

ScoreVariant without_fit(std::string name) {
  ScoreVariant variant;
  variant.name = std::move(name);
  variant.in_pack = false;
  return variant;
}

class Training {
 public:
  Training(const SampleSet& set, const Features& features, const VerifierTraining& options,
           ThreadPool& pool, const TrainingProgress& progress)
      : set_(set),
        features_(features),
        options_(options),
        pool_(pool),
        progress_(progress),
        voters_(voters_of(set)),
        folds_(set.questions, options.seed) {
    weigh();
  }

  Status check() const {
    const auto right = std::count_if(voters_.begin(), voters_.end(), [](const VoterRow& voter) {
      return voter.trains && voter.correct;
    });
    const auto all = std::count_if(voters_.begin(), voters_.end(),
                                   [](const VoterRow& voter) { return voter.trains; });
    if (right == 0 || right == all) {
      return fail(ErrorCode::usage,
                  "of {} samples with an answer {} are right: right and wrong ones are needed", all,
                  right);
    }
    for (size_t test = 0; test < kHeadFolds; ++test) {
      for (const FoldPart part : {FoldPart::train, FoldPart::validation}) {
        if (!rows_of(part, test).empty()) continue;
        return fail(ErrorCode::usage, "{} questions are too few to train on", set_.questions);
      }
    }
    return {};
  }

  Result<TrainedVerifier> run() {
    TrainedVerifier trained;
    const std::vector<double> shares = vote_shares(set_);
    // The last fit has the vote share beside the features of the chosen kind.
    total_ =
        static_cast<double>((features_.kinds.size() + 1) * kHeadFolds * options_.penalties.size());
    for (const Feature& kind : features_.kinds) {
      const FeatureMatrix matrix{kind.values, features_.width};
      PITH_TRY(ScoreVariant variant, judge(kind.name, matrix));
      trained.variants.push_back(std::move(variant));
    }
    const auto best = std::min_element(
        trained.variants.begin(), trained.variants.end(),
        [](const auto& a, const auto& b) { return a.validation_loss < b.validation_loss; });
    trained.chosen = static_cast<size_t>(best - trained.variants.begin());
    const double penalty = best->penalty;
    trained.features = best->name;
    const FeatureMatrix matrix{features_.of(trained.features), features_.width};
    LogisticFit fit(matrix, all_rows(), pool_);
    trained.head = fit.solve(penalty).head();

    PITH_TRY(ScoreVariant with_share, judge_with_share(matrix, shares));
    with_share.name = trained.features + " and vote share";
    trained.variants.push_back(std::move(with_share));
    add_baselines(shares, trained);
    describe(trained);
    return trained;
  }

 private:
  void weigh() {
    std::map<std::pair<size_t, bool>, double> counts;  // by question and class
    std::map<size_t, double> totals;
    for (const VoterRow& voter : voters_) {
      if (!voter.trains) continue;
      ++counts[{voter.question, voter.correct}];
      ++totals[voter.question];
    }
    for (const VoterRow& voter : voters_) {
      double weight = 1;
      if (voter.trains && options_.weights == SampleWeights::questions) {
        weight = 1 / totals[voter.question];
      } else if (voter.trains && options_.weights == SampleWeights::classes) {
        weight = 0.5 / counts[{voter.question, voter.correct}];
      }
      weights_.push_back(weight);
    }
  }

  std::vector<LabelledRow> rows_of(FoldPart part, size_t test) const {
    std::vector<LabelledRow> rows;
    for (size_t i = 0; i < voters_.size(); ++i) {
      const VoterRow& voter = voters_[i];
      if (voter.trains && folds_.part_of(voter.question, test) == part) {
        rows.push_back({voter.row, voter.correct, weights_[i]});
      }
    }
    return rows;
  }

  std::vector<LabelledRow> all_rows() const {
    std::vector<LabelledRow> rows;
    for (size_t i = 0; i < voters_.size(); ++i) {
      const VoterRow& voter = voters_[i];
      if (voter.trains) rows.push_back({voter.row, voter.correct, weights_[i]});
    }
    return rows;
  }

  Result<ScoreVariant> judge(const std::string& name, const FeatureMatrix& matrix) {
    ScoreVariant variant;
    variant.name = name;
    variant.scores.resize(set_.samples);
    for (const double penalty : options_.penalties) variant.path.push_back({penalty, 0});
    for (size_t test = 0; test < kHeadFolds; ++test) {
      LogisticFit fit(matrix, rows_of(FoldPart::train, test), pool_);
      const std::vector<LabelledRow> validation = rows_of(FoldPart::validation, test);
      std::optional<LogisticModel> best;
      double least = 0;
      for (PenaltyLoss& step : variant.path) {
        if (!progress_(done_++, total_)) return fail(ErrorCode::cancelled, "stopped");
        LogisticModel model = fit.solve(step.penalty);
        const double loss = log_loss(model, matrix, validation);
        step.loss += loss / kHeadFolds;
        if (best && loss >= least) continue;
        least = loss;
        best = std::move(model);
      }
      for (const VoterRow& voter : voters_) {
        if (folds_.fold_of(voter.question) != test) continue;
        variant.scores[voter.row] = sigmoid(best->logit(matrix.row(voter.row)));
      }
    }
    const auto least =
        std::min_element(variant.path.begin(), variant.path.end(),
                         [](const auto& a, const auto& b) { return a.loss < b.loss; });
    variant.penalty = least->penalty;
    variant.validation_loss = least->loss;
    estimate(variant);
    return variant;
  }

  Result<ScoreVariant> judge_with_share(const FeatureMatrix& matrix,
                                        const std::vector<double>& shares) {
    std::vector<float> wider;
    wider.reserve(shares.size() * (matrix.width + 1));
    for (size_t row = 0; row < shares.size(); ++row) {
      const auto x = matrix.row(row);
      wider.insert(wider.end(), x.begin(), x.end());
      wider.push_back(static_cast<float>(shares[row]));
    }
    PITH_TRY(ScoreVariant variant, judge("", {wider, matrix.width + 1}));
    variant.in_pack = false;
    return variant;
  }

  void add_baselines(const std::vector<double>& shares, TrainedVerifier& trained) const {
    ScoreVariant likelihood = without_fit("likelihood");
    ScoreVariant brevity = without_fit("brevity");
    for (const SampledPrompt& prompt : set_.prompts) {
      for (const HeadSample& sample : prompt.samples) {
        likelihood.scores.push_back(std::exp(std::min(sample.mean_log_probability, 0.0)));
        brevity.scores.push_back(1 / (1 + static_cast<double>(sample.completion.size())));
      }
    }
    ScoreVariant share = without_fit("vote share");
    share.scores = shares;
    for (ScoreVariant* variant : {&likelihood, &brevity, &share}) {
      estimate(*variant);
      trained.variants.push_back(std::move(*variant));
    }
  }

  std::vector<ScoredRow> judged(const ScoreVariant& variant) const {
    std::vector<ScoredRow> rows;
    for (const VoterRow& voter : voters_) {
      if (voter.trains) {
        rows.push_back({variant.scores[voter.row], voter.correct, voter.question});
      }
    }
    return rows;
  }

  void estimate(ScoreVariant& variant) const {
    const std::vector<ScoredRow> rows = judged(variant);
    variant.auc = auc(rows, kAucSeed);
    // The branches of a vote answer one prompt.
    std::vector<ScoredRow> by_prompt;
    for (const VoterRow& voter : voters_) {
      if (voter.trains) {
        by_prompt.push_back({variant.scores[voter.row], voter.correct, voter.prompt});
      }
    }
    variant.auc_within = auc_within_questions(by_prompt, kAucSeed);
  }

  void describe(TrainedVerifier& trained) const {
    const ScoreVariant& chosen = trained.variants[trained.chosen];
    trained.judged = judged(chosen);
    std::map<size_t, size_t> questions;
    std::vector<Judgement> judgements;
    for (const ScoredRow& row : trained.judged) {
      ++trained.rows;
      trained.positives += row.positive ? 1 : 0;
      ++questions[row.question];
      judgements.push_back({row.score, row.positive ? 1.0 : 0.0});
    }
    trained.questions = questions.size();
    trained.reliability = reliability(judgements);

    const size_t samples = usual_samples(set_);
    const EvalRun run = run_of(set_, chosen.scores, samples);
    trained.vote_questions = run.questions.size();
    if (samples < 2) return;
    std::vector<int32_t> branches;
    for (const int32_t count : options_.branches) {
      if (count <= run.samples) branches.push_back(count);
    }
    const std::vector<Metric> metrics = metrics_of(run, branches);
    const auto values = [&](VoteRule rule, int32_t count) {
      const MetricName name{vote_figure(rule), count, rule};
      return std::find_if(metrics.begin(), metrics.end(),
                          [&](const Metric& metric) { return metric.name == name; })
          ->values;
    };
    for (const int32_t count : branches) {
      const auto majority = values(VoteRule::majority, count);
      const auto weighted = values(VoteRule::verifier, count);
      std::vector<double> gain;
      for (size_t i = 0; i < majority.size(); ++i) gain.push_back(weighted[i] - majority[i]);
      trained.votes.push_back(
          {count, estimate_of(majority), estimate_of(weighted), estimate_of(gain)});
    }
    const Summary summary = summarise(run, {run.samples}, VoteRule::verifier);
    trained.calibration = summary.votes.front().calibration;
  }

  const SampleSet& set_;
  const Features& features_;
  const VerifierTraining& options_;
  ThreadPool& pool_;
  const TrainingProgress& progress_;
  std::vector<VoterRow> voters_;
  FoldPlan folds_;
  std::vector<double> weights_;  // by voter
  double done_ = 0;
  double total_ = 1;
};

}  // namespace

Result<TrainedVerifier> train_verifier(const SampleSet& set, const Features& features,
                                       const VerifierTraining& options, ThreadPool& pool,
                                       const TrainingProgress& progress) {
  PITH_CHECK(features.rows == set.samples && !features.kinds.empty());
  Training training(set, features, options, pool, progress);
  PITH_TRY_VOID(training.check());
  return training.run();
}

}  // namespace pith
