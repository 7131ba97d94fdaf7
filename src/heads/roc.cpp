#include "heads/roc.h"

#include <algorithm>
#include <map>

#include "base/rng.h"

namespace pith {
namespace {

constexpr double kCoin = 0.5;

std::vector<ScoredRow> by_score(std::span<const ScoredRow> rows) {
  std::vector<ScoredRow> sorted(rows.begin(), rows.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const ScoredRow& a, const ScoredRow& b) { return a.score < b.score; });
  return sorted;
}

// Of rows in the order of their scores, each there as often as its question is drawn.
double weighted_auc(const std::vector<ScoredRow>& sorted, const std::vector<double>& times) {
  double below = 0;  // negatives with a lower score
  double pairs = 0;  // won by the positive
  double positives = 0;
  for (size_t begin = 0; begin < sorted.size();) {
    double tied_positives = 0;
    double tied_negatives = 0;
    size_t end = begin;
    for (; end < sorted.size() && sorted[end].score == sorted[begin].score; ++end) {
      (sorted[end].positive ? tied_positives : tied_negatives) += times[sorted[end].question];
    }
    pairs += tied_positives * (below + tied_negatives / 2);
    positives += tied_positives;
    below += tied_negatives;
    begin = end;
  }
  return positives > 0 && below > 0 ? pairs / (positives * below) : kCoin;
}

// Questions numbered from 0 without gaps.
std::vector<ScoredRow> renumbered(std::span<const ScoredRow> rows, size_t& questions) {
  std::map<size_t, size_t> numbers;
  std::vector<ScoredRow> result(rows.begin(), rows.end());
  for (ScoredRow& row : result) {
    row.question = numbers.emplace(row.question, numbers.size()).first->second;
  }
  questions = numbers.size();
  return result;
}

}  // namespace

Estimate auc(std::span<const ScoredRow> rows, uint64_t seed) {
  size_t questions = 0;
  const std::vector<ScoredRow> sorted = by_score(renumbered(rows, questions));
  Estimate estimate;
  estimate.value = weighted_auc(sorted, std::vector<double>(questions, 1));
  std::vector<double> resampled;
  for (int i = 0; i < kResamples && questions > 0; ++i) {
    std::vector<double> times(questions);
    for (size_t draw = 0; draw < questions; ++draw) {
      times[random_bits(seed, static_cast<uint64_t>(i), draw) % questions] += 1;
    }
    resampled.push_back(weighted_auc(sorted, times));
  }
  estimate.low = resampled.empty() ? kCoin : quantile(resampled, 0.025);
  estimate.high = resampled.empty() ? kCoin : quantile(resampled, 0.975);
  return estimate;
}

Estimate auc_within_questions(std::span<const ScoredRow> rows, uint64_t seed) {
  std::map<size_t, std::vector<ScoredRow>> questions;
  for (const ScoredRow& row : rows) {
    questions[row.question].push_back({row.score, row.positive, 0});
  }
  std::vector<double> values;
  for (const auto& [question, own] : questions) {
    const auto positives =
        std::count_if(own.begin(), own.end(), [](const ScoredRow& row) { return row.positive; });
    if (positives == 0 || positives == static_cast<std::ptrdiff_t>(own.size())) continue;
    values.push_back(weighted_auc(by_score(own), {1}));
  }
  if (values.empty()) return {kCoin, kCoin, kCoin};
  return bootstrap_mean(values, seed);
}

std::vector<RocPoint> roc_curve(std::span<const ScoredRow> rows, size_t most) {
  std::vector<ScoredRow> sorted = by_score(rows);
  std::reverse(sorted.begin(), sorted.end());
  double positives = 0;
  for (const ScoredRow& row : sorted) positives += row.positive ? 1 : 0;
  const double negatives = static_cast<double>(sorted.size()) - positives;
  std::vector<RocPoint> points = {{0, 0}};
  if (positives == 0 || negatives == 0) return points;
  const double least_gap = 1 / static_cast<double>(most);
  RocPoint now;
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i].positive) {
      now.true_positives += 1 / positives;
    } else {
      now.false_positives += 1 / negatives;
    }
    if (i + 1 < sorted.size() && sorted[i + 1].score == sorted[i].score) continue;
    const RocPoint& last = points.back();
    const bool far = now.true_positives - last.true_positives >= least_gap ||
                     now.false_positives - last.false_positives >= least_gap;
    if (far) points.push_back(now);
  }
  points.push_back({1, 1});
  return points;
}

}  // namespace pith
