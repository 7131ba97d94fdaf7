#include "reason/branch_confidence.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace pith {
namespace {

double mean_log_probability(std::span<const SampledToken> samples) {
  double sum = 0;
  for (const SampledToken& sample : samples) sum += static_cast<double>(sample.log_probability);
  return sum / static_cast<double>(samples.size());
}

}  // namespace

double BranchConfidence::weight() const { return std::exp(worst_window); }

// Each window is summed anew: a running sum would drift, and could end above 0.
BranchConfidence branch_confidence(std::span<const SampledToken> samples, size_t window) {
  PITH_CHECK(window > 0);
  if (samples.empty()) return {};
  window = std::min(window, samples.size());
  const size_t windows = samples.size() - window + 1;
  BranchConfidence confidence;
  for (size_t begin = 0; begin < windows; ++begin) {
    const double mean = mean_log_probability(samples.subspan(begin, window));
    confidence.mean_window += mean / static_cast<double>(windows);
    confidence.worst_window = std::min(confidence.worst_window, mean);
  }
  return confidence;
}

}  // namespace pith
