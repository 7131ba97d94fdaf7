// When training is stopped.
#include "train/collapse.h"

#include <gtest/gtest.h>

namespace pith::train {
namespace {

constexpr CollapseLimits kLimits{2, 0.5, 0.1, 2, 0.5};  // over two steps

CollapseFigures figures(std::vector<double> accuracy, double last_entropy = 1, double last_kl = 0) {
  CollapseFigures result{std::move(accuracy), {}, {}};
  result.entropy.assign(result.accuracy.size(), 1);
  result.kl.assign(result.accuracy.size(), 0);
  result.entropy.back() = last_entropy;
  result.kl.back() = last_kl;
  return result;
}

TEST(FindCollapse, AccuracyFallsBelowAShareOfItsBest) {
  EXPECT_EQ(find_collapse(figures({0.2, 0.6, 0.6, 0.5}), kLimits), "");
  EXPECT_EQ(find_collapse(figures({0.6, 0.6, 0.6, 0}), kLimits), "");  // a mean of half the best
  EXPECT_EQ(find_collapse(figures({0.6, 0.6, 0.59, 0}), kLimits),
            "accuracy has fallen from 60.0 % to 29.5 %");
  EXPECT_EQ(find_collapse(figures({0, 0, 0}), kLimits), "");  // it never was any better
}

TEST(FindCollapse, EntropyAndDistanceGoOutOfBounds) {
  EXPECT_EQ(find_collapse(figures({1, 1}, 3), kLimits), "");  // 2 on average
  EXPECT_NE(find_collapse(figures({1, 1}, 3.1), kLimits).find("entropy"), std::string::npos);
  EXPECT_NE(find_collapse(figures({1, 1}, -0.9), kLimits).find("entropy"), std::string::npos);
  EXPECT_EQ(find_collapse(figures({1, 1}, 1, 1), kLimits), "");
  EXPECT_NE(find_collapse(figures({1, 1}, 1, 1.1), kLimits).find("away from"), std::string::npos);
  CollapseFigures without_kl = figures({1, 1}, 1, 1.1);
  without_kl.kl.clear();
  EXPECT_EQ(find_collapse(without_kl, kLimits), "");
}

TEST(FindCollapse, NeedsAsManyStepsAsItsWindow) {
  EXPECT_EQ(find_collapse(figures({1}, 100, 100), kLimits), "");
  EXPECT_EQ(find_collapse({}, kLimits), "");
}

}  // namespace
}  // namespace pith::train
