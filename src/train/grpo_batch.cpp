#include "train/grpo_batch.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace pith::train {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

double share_of(double part, double all) { return all > 0 ? part / all : kNothing; }

}  // namespace

TrainColumns grpo_columns(std::span<const int32_t> budgets) {
  TrainColumns columns = {"reward",          "accuracy@all",    "length@all", "entropy",
                          "truncated",       "dropped",         "clipped",    "kl",
                          "seconds@drawing", "seconds@training"};
  PITH_CHECK(columns.size() == kGrpoColumns);
  for (const int32_t budget : budgets) columns.push_back(fmt::format("accuracy@{}", budget));
  for (const int32_t budget : budgets) columns.push_back(fmt::format("length@{}", budget));
  return columns;
}

DrawFigures::DrawFigures(std::span<const int32_t> budgets)
    : budgets_(budgets), by_budget_(budgets.size()) {}

void DrawFigures::add(const Group& group, std::span<const double> rewards, bool dropped) {
  const auto place = std::find(budgets_.begin(), budgets_.end(), group.budget_tokens);
  Sums& budget = by_budget_[static_cast<size_t>(place - budgets_.begin())];
  for (size_t i = 0; i < rewards.size(); ++i) {
    const Completion& completion = group.completions[i];
    for (Sums* sums : {&all_, &budget}) {
      sums->completions += 1;
      sums->rewards += rewards[i];
      sums->right += completion.outcome.right ? 1 : 0;
      sums->tokens += completion.outcome.tokens;
    }
    truncated_ += completion.truncated ? 1 : 0;
    for (const float log_p : completion.log_probabilities) surprise_ -= static_cast<double>(log_p);
  }
  dropped_ += dropped ? 1 : 0;
}

std::vector<double> DrawFigures::values() const {
  std::vector<double> values(kGrpoColumns, kNothing);
  values[kReward] = share_of(all_.rewards, all_.completions);
  values[kAccuracy] = share_of(all_.right, all_.completions);
  values[kLength] = share_of(all_.tokens, all_.completions);
  values[kEntropy] = share_of(surprise_, all_.tokens);
  values[kTruncated] = share_of(truncated_, all_.completions);
  values[kDropped] = dropped_;
  for (const Sums& sums : by_budget_) values.push_back(share_of(sums.right, sums.completions));
  for (const Sums& sums : by_budget_) values.push_back(share_of(sums.tokens, sums.completions));
  return values;
}

void GrpoBatch::add(Group group, std::span<const double> advantages_of_group) {
  for (Completion& completion : group.completions) {
    examples.push_back(std::move(completion.example));
    old.push_back(std::move(completion.log_probabilities));
  }
  advantages.insert(advantages.end(), advantages_of_group.begin(), advantages_of_group.end());
  ++groups;
}

std::vector<size_t> GrpoBatch::part(size_t update, size_t updates) const {
  if (groups == 0) return {};
  const size_t samples = examples.size() / groups;
  const size_t begin = groups * update / updates * samples;
  const size_t end = groups * (update + 1) / updates * samples;
  std::vector<size_t> chosen(end - begin);
  std::iota(chosen.begin(), chosen.end(), begin);
  return chosen;
}

std::vector<double> token_weights(const GrpoBatch& batch, const std::vector<size_t>& chosen,
                                  LossMean mean, int32_t most_tokens) {
  const auto tokens_of = [&](size_t i) {
    return static_cast<double>(batch.examples[i].completion.size());
  };
  double all = 0;
  for (const size_t i : chosen) all += tokens_of(i);
  const auto completions = static_cast<double>(chosen.size());
  std::vector<double> weights;
  for (const size_t i : chosen) {
    switch (mean) {
      case LossMean::completion:
        weights.push_back(1 / (completions * tokens_of(i)));
        break;
      case LossMean::token:
        weights.push_back(1 / all);
        break;
      case LossMean::constant:
        weights.push_back(1 / (completions * most_tokens));
        break;
    }
  }
  return weights;
}

}  // namespace pith::train
