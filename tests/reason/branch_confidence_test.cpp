#include "reason/branch_confidence.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pith {
namespace {

std::vector<SampledToken> samples_of(const std::vector<float>& log_probabilities) {
  std::vector<SampledToken> samples;
  for (const float value : log_probabilities) samples.push_back({0, value});
  return samples;
}

TEST(BranchConfidence, WindowsByHand) {
  const auto samples = samples_of({-1, -3, -2, 0});
  const BranchConfidence two = branch_confidence(samples, 2);
  EXPECT_DOUBLE_EQ(two.worst_window, -2.5);
  EXPECT_DOUBLE_EQ(two.mean_window, (-2 - 2.5 - 1) / 3);
  EXPECT_DOUBLE_EQ(two.weight(), std::exp(-2.5));
  const BranchConfidence one = branch_confidence(samples, 1);
  EXPECT_EQ(one.worst_window, -3);
  EXPECT_DOUBLE_EQ(one.mean_window, -1.5);
}

TEST(BranchConfidence, AShortBranchIsOneWindow) {
  const auto samples = samples_of({-1, -2});
  const BranchConfidence confidence = branch_confidence(samples, 64);
  EXPECT_DOUBLE_EQ(confidence.worst_window, -1.5);
  EXPECT_DOUBLE_EQ(confidence.mean_window, -1.5);
  EXPECT_EQ(branch_confidence({}).weight(), 1);
}

// The same doubts, spread or in one place: the mean cannot tell them apart.
TEST(BranchConfidence, AStretchOfDoubtShows) {
  std::vector<float> spread(400, 0);
  std::vector<float> together(400, 0);
  for (size_t i = 0; i < 40; ++i) {
    spread[10 * i] = -2;
    together[200 + i] = -2;
  }
  EXPECT_LT(branch_confidence(samples_of(together)).weight(),
            0.5 * branch_confidence(samples_of(spread)).weight());
}

}  // namespace
}  // namespace pith
