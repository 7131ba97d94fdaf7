#include "eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/function_ref.h"
#include "base/rng.h"

namespace pith {
namespace {

// C(n, k); inexact, and perhaps infinite, where it is large.
double binomial(int n, int k) {
  double result = 1;
  for (int i = 1; i <= k; ++i) result = result * (n - k + i) / i;
  return std::round(result);
}

using VisitSubset = FunctionRef<void(std::span<const size_t> members)>;

void visit_all_subsets(size_t n, size_t k, VisitSubset visit) {
  std::vector<size_t> members(k);
  std::iota(members.begin(), members.end(), size_t{0});
  for (;;) {
    visit(members);
    // The last member that can move on does, those behind it follow closely.
    size_t i = k;
    while (i > 0 && members[i - 1] == n - k + i - 1) --i;
    if (i == 0) return;
    ++members[i - 1];
    for (; i < k; ++i) members[i] = members[i - 1] + 1;
  }
}

// Puts `k` random members of the order to its front: the start of a shuffle.
void shuffle_front(std::span<size_t> order, size_t k, uint64_t seed, uint64_t stream) {
  for (size_t i = 0; i < k; ++i) {
    const double unit = random_unit(seed, stream, i);
    const auto ahead = static_cast<size_t>(unit * static_cast<double>(order.size() - i));
    std::swap(order[i], order[i + ahead]);
  }
}

// kMostSubsets of them.
void visit_random_subsets(size_t n, size_t k, uint64_t seed, VisitSubset visit) {
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  for (int draw = 0; draw < kMostSubsets; ++draw) {
    shuffle_front(order, k, seed, static_cast<uint64_t>(draw));
    visit(std::span(order).first(k));
  }
}

}  // namespace

// Weights only grow, so the leaders are known without looking at the others.
void Tally::add(const Vote& vote) {
  if (vote.group < 0) return;
  Group& group = groups_[static_cast<size_t>(vote.group)];
  group.weight += vote.weight;
  group.members += 1;
  group.correct += vote.correct ? 1 : 0;
  ++answered_;
  weight_ += vote.weight;
  if (vote.group == leading_ || leading_ < 0) {
    leading_ = vote.group;
    leader_ = group.weight;
  } else if (group.weight > leader_) {
    leading_ = vote.group;
    second_ = std::exchange(leader_, group.weight);
  } else {
    second_ = std::max(second_, group.weight);
  }
}

double Tally::accuracy() const {
  double winners = 0;
  double correct = 0;
  for (const Group& group : groups_) {
    if (group.members == 0 || group.weight < leader_) continue;
    winners += 1;
    correct += group.correct / group.members;
  }
  return winners > 0 ? correct / winners : 0;
}

size_t count_groups(std::span<const Vote> votes) {
  size_t groups = 0;
  for (const Vote& vote : votes) {
    if (vote.group >= 0) groups = std::max(groups, static_cast<size_t>(vote.group) + 1);
  }
  return groups;
}

Tally tally(std::span<const Vote> votes) {
  Tally all(count_groups(votes));
  for (const Vote& vote : votes) all.add(vote);
  return all;
}

double vote_accuracy_at(std::span<const Vote> votes, int k, uint64_t seed) {
  const size_t n = votes.size();
  PITH_CHECK(k >= 1 && static_cast<size_t>(k) <= n);
  const size_t groups = count_groups(votes);
  double sum = 0;
  int subsets = 0;
  const auto visit = [&](std::span<const size_t> members) {
    Tally chosen(groups);
    for (const size_t member : members) chosen.add(votes[member]);
    sum += chosen.accuracy();
    ++subsets;
  };
  if (binomial(static_cast<int>(n), k) <= kMostSubsets) {
    visit_all_subsets(n, static_cast<size_t>(k), visit);
  } else {
    visit_random_subsets(n, static_cast<size_t>(k), seed, visit);
  }
  return sum / subsets;
}

std::vector<size_t> random_order(size_t n, uint64_t seed, uint64_t number) {
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  shuffle_front(order, n, seed, number);
  return order;
}

double pass_at(int samples, int correct, int k) {
  PITH_CHECK(k >= 1 && k <= samples && correct >= 0 && correct <= samples);
  double none = 1;  // the chance that no draw is right
  for (int i = 0; i < k; ++i) {
    none *= std::max(0.0, static_cast<double>(samples - correct - i)) / (samples - i);
  }
  return 1 - none;
}

double mean(std::span<const double> values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double quantile(std::vector<double> values, double q) {
  PITH_CHECK(!values.empty() && q >= 0 && q <= 1);
  std::sort(values.begin(), values.end());
  const double place = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

Estimate bootstrap_mean(std::span<const double> values, uint64_t seed) {
  Estimate estimate;
  if (values.empty()) return estimate;
  const auto n = static_cast<double>(values.size());
  std::vector<double> means;
  means.reserve(kResamples);
  for (uint64_t resample = 0; resample < kResamples; ++resample) {
    double sum = 0;
    for (uint64_t i = 0; i < values.size(); ++i) {
      sum += values[static_cast<size_t>(random_unit(seed, resample, i) * n)];
    }
    means.push_back(sum / n);
  }
  estimate.value = mean(values);
  estimate.low = quantile(means, 0.025);
  estimate.high = quantile(std::move(means), 0.975);
  return estimate;
}

Reliability reliability(std::span<const Judgement> judgements) {
  Reliability result;
  result.bins.resize(kReliabilityBins);
  for (const Judgement& judgement : judgements) {
    const double place = std::clamp(judgement.confidence, 0.0, 1.0) * kReliabilityBins;
    ReliabilityBin& bin =
        result.bins[std::min<size_t>(static_cast<size_t>(place), kReliabilityBins - 1)];
    ++bin.count;
    bin.confidence += judgement.confidence;
    bin.accuracy += judgement.correct;
    const double p = judgement.confidence;
    result.brier += (judgement.correct * (1 - p) * (1 - p) + (1 - judgement.correct) * p * p) /
                    static_cast<double>(judgements.size());
  }
  for (ReliabilityBin& bin : result.bins) {
    if (bin.count == 0) continue;
    bin.confidence /= bin.count;
    bin.accuracy /= bin.count;
    result.calibration_error += std::abs(bin.confidence - bin.accuracy) * bin.count /
                                static_cast<double>(judgements.size());
  }
  return result;
}

}  // namespace pith
