#include "train/reward.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pith::train {
namespace {

constexpr double kRounding = 1e-9;        // of a product that is an integer on paper
constexpr double kLeastDeviation = 1e-6;  // keeps the quotient finite

}  // namespace

double length_reward(int64_t tokens, int32_t budget_tokens, double margin) {
  const double budget = budget_tokens;
  const auto length = static_cast<double>(tokens);
  if (length <= (1 - margin) * budget + kRounding) return 1;
  if (length >= (1 + margin) * budget - kRounding) return 0;
  return ((1 + margin) * budget - length) / (2 * margin * budget);
}

int32_t hard_limit(int32_t budget_tokens, double margin) {
  return static_cast<int32_t>(std::floor((1 + margin) * budget_tokens + kRounding));
}

std::vector<double> group_rewards(std::span<const Outcome> group, int32_t budget_tokens,
                                  double margin, double barrier_accuracy) {
  const auto right =
      std::count_if(group.begin(), group.end(), [](const Outcome& o) { return o.right; });
  const bool has_barrier = static_cast<double>(right) >=
                           barrier_accuracy * static_cast<double>(group.size()) - kRounding;
  std::vector<double> rewards;
  for (const Outcome& outcome : group) {
    const double length = has_barrier ? length_reward(outcome.tokens, budget_tokens, margin) : 1;
    rewards.push_back(outcome.right ? length : 0);
  }
  return rewards;
}

bool are_alike(std::span<const double> rewards) {
  const auto [least, most] = std::minmax_element(rewards.begin(), rewards.end());
  return *most - *least < kRounding;
}

std::vector<size_t> most_varied(std::span<const double> rewards, size_t count) {
  std::vector<size_t> places(rewards.size());
  std::iota(places.begin(), places.end(), size_t{0});
  if (count >= places.size()) return places;
  std::stable_sort(places.begin(), places.end(),
                   [&](size_t a, size_t b) { return rewards[a] < rewards[b]; });
  // Of all choices one of the worst `low` and the best count - low varies most.
  const auto spread = [&](size_t low) {
    double sum = 0;
    double squares = 0;
    for (size_t i = 0; i < count; ++i) {
      const double reward = rewards[places[i < low ? i : places.size() - count + i]];
      sum += reward;
      squares += reward * reward;
    }
    return squares - sum * sum / static_cast<double>(count);
  };
  size_t best = 0;
  for (size_t low = 1; low <= count; ++low) {
    if (spread(low) > spread(best) + kRounding) best = low;
  }
  places.erase(places.begin() + static_cast<std::ptrdiff_t>(best),
               places.end() - static_cast<std::ptrdiff_t>(count - best));
  std::sort(places.begin(), places.end());
  return places;
}

std::vector<double> group_advantages(std::span<const double> rewards, bool divide_by_deviation) {
  const auto count = static_cast<double>(rewards.size());
  const double mean = std::accumulate(rewards.begin(), rewards.end(), 0.0) / count;
  double squares = 0;
  for (const double reward : rewards) squares += (reward - mean) * (reward - mean);
  const double divisor = divide_by_deviation ? std::sqrt(squares / count) + kLeastDeviation : 1;
  std::vector<double> advantages;
  for (const double reward : rewards) advantages.push_back((reward - mean) / divisor);
  return advantages;
}

}  // namespace pith::train
