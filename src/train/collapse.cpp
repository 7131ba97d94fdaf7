#include "train/collapse.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace pith::train {
namespace {

// Of the `window` values before `end`.
double mean_before(const std::vector<double>& values, size_t end, size_t window) {
  const auto last = values.begin() + static_cast<std::ptrdiff_t>(end);
  return std::accumulate(last - static_cast<std::ptrdiff_t>(window), last, 0.0) /
         static_cast<double>(window);
}

}  // namespace

std::string find_collapse(const CollapseFigures& figures, const CollapseLimits& limits) {
  const auto window = static_cast<size_t>(limits.window);
  const size_t steps = figures.accuracy.size();
  if (steps < window) return {};

  double best = 0;
  for (size_t end = window; end <= steps; ++end) {
    best = std::max(best, mean_before(figures.accuracy, end, window));
  }
  const double accuracy = mean_before(figures.accuracy, steps, window);
  if (accuracy < limits.accuracy_share * best) {
    return fmt::format("accuracy has fallen from {:.1f} % to {:.1f} %", 100 * best, 100 * accuracy);
  }
  const double entropy = mean_before(figures.entropy, steps, window);
  if (entropy < limits.least_entropy || entropy > limits.most_entropy) {
    return fmt::format("the entropy of its tokens, {:.3g} nats, is not from {:g} to {:g}", entropy,
                       limits.least_entropy, limits.most_entropy);
  }
  if (figures.kl.empty()) return {};
  const double kl = mean_before(figures.kl, steps, window);
  if (kl > limits.most_kl) {
    return fmt::format("it has gone {:.3g} nats a token away from the base model, more than {:g}",
                       kl, limits.most_kl);
  }
  return {};
}

}  // namespace pith::train
