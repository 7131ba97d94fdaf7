// What is said between measured points: it goes through them and never falls.
#include "reason/accuracy_curve.h"

#include <gtest/gtest.h>

#include <random>

namespace pith {
namespace {

PackResult point(int32_t branches, int32_t budget, double accuracy, const std::string& task = "") {
  PackResult result;
  result.task = task;
  result.branches = branches;
  result.budget_tokens = budget;
  result.accuracy = accuracy;
  return result;
}

TEST(AccuracyCurve, GoesThroughWhatWasMeasured) {
  const std::vector<PackResult> points = {point(8, 1024, 0.7), point(1, 1024, 0.5),
                                          point(8, 256, 0.45), point(1, 256, 0.4)};
  const AccuracyCurve curve(points);
  for (const PackResult& p : points) {
    EXPECT_DOUBLE_EQ(curve.accuracy(p.branches, p.budget_tokens), p.accuracy);
  }
  EXPECT_GT(curve.accuracy(4, 1024), 0.5);
  EXPECT_LT(curve.accuracy(4, 1024), 0.7);
  EXPECT_GT(curve.accuracy(1, 300), 0.4);
  EXPECT_LT(curve.accuracy(1, 300), 0.5);
}

TEST(AccuracyCurve, NothingIsGainedBeyondTheLargestPoint) {
  const std::vector<PackResult> points = {point(4, 512, 0.6)};
  const AccuracyCurve curve(points);
  EXPECT_DOUBLE_EQ(curve.accuracy(64, 10000), 0.6);
}

TEST(AccuracyCurve, APointThatIsWorseThanOneWithLessCountsAsThat) {
  const std::vector<PackResult> points = {point(1, 512, 0.6), point(8, 512, 0.3)};
  EXPECT_DOUBLE_EQ(AccuracyCurve(points).accuracy(8, 512), 0.6);
}

TEST(AccuracyCurve, OfTheSamePointMeasuredTwiceTheBetterCounts) {
  const std::vector<PackResult> points = {point(1, 512, 0.6), point(1, 512, 0.5)};
  EXPECT_DOUBLE_EQ(AccuracyCurve(points).accuracy(1, 512), 0.6);
}

TEST(AccuracyCurve, LongerBranchesNeedMoreTokens) {
  std::vector<PackResult> points = {point(1, 1024, 0.6)};
  points[0].mean_tokens = 100;
  const double brief = AccuracyCurve(points).accuracy(1, 200);
  points[0].mean_tokens = 400;
  EXPECT_GT(brief, 1.5 * AccuracyCurve(points).accuracy(1, 200));
}

TEST(AccuracyCurve, TasksCountAlike) {
  const std::vector<PackResult> points = {point(1, 512, 0.8, "a"), point(8, 512, 0.9, "a"),
                                          point(1, 512, 0.2, "b")};
  const AccuracyCurve curve(points);
  EXPECT_DOUBLE_EQ(curve.accuracy(1, 512), 0.5);
  EXPECT_DOUBLE_EQ(curve.accuracy(8, 512), 0.55);
}

TEST(AccuracyCurve, TheDefaultIsThatOfTheDefaultModel) {
  const AccuracyCurve curve({});
  EXPECT_DOUBLE_EQ(curve.accuracy(8, 1024), 0.7);
  EXPECT_NEAR(curve.accuracy(1, 1024), 0.54, 0.005);
  // One branch that comes to its end is better than many that do not.
  EXPECT_GT(curve.accuracy(1, 300), curve.accuracy(8, 100));
  EXPECT_GT(curve.accuracy(1, 80), curve.accuracy(8, 30));
}

TEST(AccuracyCurve, NeverFalls) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> share(0, 1);
  for (int trial = 0; trial < 50; ++trial) {
    std::vector<PackResult> points(random() % 6);
    for (PackResult& p : points) {
      p = point(1 + static_cast<int32_t>(random() % 16), 1 + static_cast<int32_t>(random() % 2000),
                share(random), random() % 2 == 0 ? "a" : "b");
      if (random() % 2 == 0) p.mean_tokens = share(random) * 800;
    }
    const AccuracyCurve curve(points);
    for (int32_t branches = 1; branches <= 20; ++branches) {
      for (int32_t budget = 1; budget < 3000; budget = budget * 3 / 2 + 1) {
        const double here = curve.accuracy(branches, budget);
        EXPECT_GE(here, 0);
        EXPECT_LE(here, 1 + 1e-12);
        EXPECT_GE(curve.accuracy(branches + 1, budget), here - 1e-12);
        EXPECT_GE(curve.accuracy(branches, budget + 1), here - 1e-12);
      }
    }
  }
}

TEST(AccuracyCurve, ResultsAreThoseOfTheModeAndTheVote) {
  std::vector<PackResult> all = {point(1, 512, 0.5), point(8, 512, 0.6), point(8, 512, 0.7),
                                 point(8, 512, 0.4)};
  for (PackResult& result : all) result.mode = "on";
  all[1].vote = "majority";
  all[2].vote = "verifier";
  all[3].mode = "off";
  all[3].vote = "majority";
  const auto chosen = results_for(all, "on", "majority");
  ASSERT_EQ(chosen.size(), 2u);
  EXPECT_EQ(chosen[0].accuracy, 0.5);
  EXPECT_EQ(chosen[1].accuracy, 0.6);
  EXPECT_TRUE(results_for(all, "auto", "majority").empty());
}

}  // namespace
}  // namespace pith
