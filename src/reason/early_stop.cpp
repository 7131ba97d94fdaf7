#include "reason/early_stop.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pith {
namespace {

double weight_of(std::span<const AnswerGroup> groups, size_t index) {
  return index < groups.size() ? groups[index].weight : 0;
}

// The incomplete beta integral at 1/2, regularised: its continued fraction (DLMF 8.17.22),
// from the front by Lentz's method. It converges fast for a >= b.
double half_beta(double a, double b) {
  constexpr double kX = 0.5;
  constexpr double kTiny = 1e-300;  // stands for a zero that would be divided by
  constexpr int kMostTerms = 10000;
  const auto nonzero = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1;
  double d = 1 / nonzero(1 - (a + b) / (a + 1) * kX);
  double fraction = d;
  for (int m = 1; m <= kMostTerms; ++m) {
    const double even = m * (b - m) * kX / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * kX / ((a + 2 * m) * (a + 2 * m + 1));
    double change = 1;
    for (const double term : {even, odd}) {
      d = 1 / nonzero(1 + term * d);
      c = nonzero(1 + term / c);
      change = c * d;
      fraction *= change;
    }
    if (std::abs(change - 1) < std::numeric_limits<double>::epsilon()) break;
  }
  const double log_front =
      std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + (a + b) * std::log(kX);
  return std::exp(log_front) * fraction / a;
}

}  // namespace

bool vote_is_decided(double leader, double second, size_t open) {
  // Sums of weights are rounded: what looks a hair's breadth ahead may be level.
  constexpr double kRounding = 1e-9;
  return open == 0 || leader > second + static_cast<double>(open) + kRounding;
}

bool vote_is_decided(std::span<const AnswerGroup> groups, size_t open) {
  return vote_is_decided(weight_of(groups, 0), weight_of(groups, 1), open);
}

double leader_probability(double leader, double second) {
  const auto [low, high] = std::minmax(leader, second);
  const double behind = half_beta(high + 1, low + 1);
  return leader >= second ? 1 - behind : behind;
}

double leader_probability(std::span<const AnswerGroup> groups) {
  return groups.empty() ? 0 : leader_probability(weight_of(groups, 0), weight_of(groups, 1));
}

}  // namespace pith
