#include "eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

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

// kMostSubsets of them: the starts of shuffles.
void visit_random_subsets(size_t n, size_t k, uint64_t seed, VisitSubset visit) {
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  for (int draw = 0; draw < kMostSubsets; ++draw) {
    for (size_t i = 0; i < k; ++i) {
      const double unit = random_unit(seed, static_cast<uint64_t>(draw), i);
      const auto ahead = static_cast<size_t>(unit * static_cast<double>(n - i));
      std::swap(order[i], order[i + ahead]);
    }
    visit(std::span(order).first(k));
  }
}

}  // namespace

double vote_accuracy(std::span<const Vote> votes) {
  struct Group {
    double weight = 0;
    double members = 0;
    double correct = 0;
  };
  std::vector<Group> groups(votes.size());
  double heaviest = 0;
  for (const Vote& vote : votes) {
    if (vote.group < 0) continue;
    Group& group = groups[static_cast<size_t>(vote.group)];
    group.weight += vote.weight;
    group.members += 1;
    group.correct += vote.correct ? 1 : 0;
    heaviest = std::max(heaviest, group.weight);
  }
  double winners = 0;
  double correct = 0;
  for (const Group& group : groups) {
    if (group.members == 0 || group.weight < heaviest) continue;
    winners += 1;
    correct += group.correct / group.members;
  }
  return winners > 0 ? correct / winners : 0;
}

double vote_accuracy_at(std::span<const Vote> votes, int k, uint64_t seed) {
  const size_t n = votes.size();
  PITH_CHECK(k >= 1 && static_cast<size_t>(k) <= n);
  double sum = 0;
  int subsets = 0;
  std::vector<Vote> chosen(static_cast<size_t>(k));
  // Groups are numbered anew, so that they stay below the size of the subset.
  std::vector<int32_t> place(n, -1);
  const auto visit = [&](std::span<const size_t> members) {
    int32_t groups = 0;
    for (size_t i = 0; i < members.size(); ++i) {
      chosen[i] = votes[members[i]];
      if (chosen[i].group < 0) continue;
      int32_t& at = place[static_cast<size_t>(chosen[i].group)];
      if (at < 0) at = groups++;
      chosen[i].group = at;
    }
    for (const size_t member : members) {
      if (votes[member].group >= 0) place[static_cast<size_t>(votes[member].group)] = -1;
    }
    sum += vote_accuracy(chosen);
    ++subsets;
  };
  if (binomial(static_cast<int>(n), k) <= kMostSubsets) {
    visit_all_subsets(n, static_cast<size_t>(k), visit);
  } else {
    visit_random_subsets(n, static_cast<size_t>(k), seed, visit);
  }
  return sum / subsets;
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
