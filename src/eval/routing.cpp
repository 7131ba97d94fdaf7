#include "eval/routing.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pith {
namespace {

constexpr int kRoutingSteps = 10;

// Right answers and tokens of a question's sample, in the mean.
struct MeanSample {
  double correct = 0;
  double tokens = 0;
};

MeanSample mean_sample(const QuestionResult& question) {
  MeanSample mean;
  for (const SampleResult& sample : question.samples) {
    mean.correct += sample.correct ? 1 : 0;
    mean.tokens += sample.tokens;
  }
  const auto count = static_cast<double>(question.samples.size());
  return {mean.correct / count, mean.tokens / count};
}

bool all_samples_are(const EvalRun& run, bool thinking) {
  return std::all_of(run.questions.begin(), run.questions.end(), [&](const auto& question) {
    return std::all_of(question.samples.begin(), question.samples.end(),
                       [&](const SampleResult& sample) { return sample.thinking == thinking; });
  });
}

}  // namespace

std::optional<double> think_probability(const QuestionResult& question) {
  if (question.samples.empty()) return std::nullopt;
  return question.samples.front().think_probability;
}

std::vector<RoutingPoint> routing_curve(const EvalRun& direct, const EvalRun& thinking) {
  const size_t count = direct.questions.size();
  if (count == 0 || thinking.questions.size() != count) return {};
  if (!all_samples_are(direct, false) || !all_samples_are(thinking, true)) return {};
  std::vector<double> probabilities;
  for (const QuestionResult& question : thinking.questions) {
    const auto probability = think_probability(question);
    if (!probability) return {};
    probabilities.push_back(*probability);
  }
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return probabilities[a] > probabilities[b]; });
  std::vector<RoutingPoint> curve;
  for (int step = 0; step <= kRoutingSteps; ++step) {
    const auto routed =
        static_cast<size_t>(std::llround(static_cast<double>(count) * step / kRoutingSteps));
    RoutingPoint point;
    point.share = static_cast<double>(routed) / static_cast<double>(count);
    if (routed > 0) point.threshold = probabilities[order[routed - 1]];
    for (size_t i = 0; i < count; ++i) {
      const MeanSample sample = mean_sample((i < routed ? thinking : direct).questions[order[i]]);
      point.accuracy += sample.correct / static_cast<double>(count);
      point.tokens += sample.tokens / static_cast<double>(count);
    }
    curve.push_back(point);
  }
  return curve;
}

}  // namespace pith
