// Plans fit into their time, and more time never makes them worse.
#include "reason/planner.h"

#include <gtest/gtest.h>

#include <random>

namespace pith {
namespace {

// A machine on which a step takes 30 ms, and 3 ms for each row.
StepTimes some_times(double attention_share = 5e-5) {
  StepTimes times(attention_share);
  for (const int32_t rows : {1, 4, 8, 16, 100}) times.add(rows, 100, 0.03 + 0.003 * rows);
  return times;
}

PlanLimits some_limits() {
  PlanLimits limits;
  limits.most_branches = 8;
  limits.most_budget_tokens = 1024;
  limits.prompt_tokens = 100;
  limits.closing_tokens = 12;
  return limits;
}

TEST(Planner, MuchTimeGivesAllThatTheUserAllows) {
  const TimePlan plan = plan_for(1000, some_times(), some_limits(), AccuracyCurve({}));
  EXPECT_EQ(plan.branches, 8);
  EXPECT_EQ(plan.budget_tokens, 1024);
  EXPECT_DOUBLE_EQ(plan.accuracy, 0.7);
}

TEST(Planner, LittleTimeGivesOneBranchAsLongAsItFits) {
  const StepTimes times = some_times();
  const PlanLimits limits = some_limits();
  const TimePlan plan = plan_for(6, times, limits, AccuracyCurve({}));
  EXPECT_EQ(plan.branches, 1);
  EXPECT_GT(plan.budget_tokens, 100);
  EXPECT_LE(plan_seconds(times, limits, 1, plan.budget_tokens), 6);
  EXPECT_GT(plan_seconds(times, limits, 1, plan.budget_tokens + 1), 6);
}

TEST(Planner, WhenNothingFitsThereIsOneBranchOfOneToken) {
  for (const double seconds : {-1.0, 0.0, 0.01}) {
    const TimePlan plan = plan_for(seconds, some_times(), some_limits(), AccuracyCurve({}));
    EXPECT_EQ(plan.branches, 1);
    EXPECT_EQ(plan.budget_tokens, 1);
    EXPECT_GT(plan.seconds, seconds);
  }
}

TEST(Planner, MoreTimeIsNeverWorseAndPlansFit) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> share(0, 1);
  for (int trial = 0; trial < 40; ++trial) {
    StepTimes times(share(random) * 1e-3);
    for (const int32_t rows : {1, 4, 8, 100}) {
      if (rows == 1 || random() % 3 > 0) times.add(rows, 50, share(random) * 0.1 + 1e-4);
    }
    PlanLimits limits;
    limits.most_branches = 1 + static_cast<int32_t>(random() % 20);
    limits.most_budget_tokens = 1 + static_cast<int32_t>(random() % 2000);
    limits.parallel = static_cast<int32_t>(random() % 5);
    limits.prompt_tokens = static_cast<int32_t>(random() % 1000);
    limits.closing_tokens = static_cast<int32_t>(random() % 30);
    limits.scoring_tokens = static_cast<int32_t>(random() % 30);
    std::vector<PackResult> points(random() % 4);
    for (PackResult& point : points) {
      point.branches = 1 + static_cast<int32_t>(random() % 16);
      point.budget_tokens = 1 + static_cast<int32_t>(random() % 2000);
      point.accuracy = share(random);
    }
    const AccuracyCurve curve(points);
    double last = 0;
    for (double seconds = 0.01; seconds < 1000; seconds *= 1.3) {
      const TimePlan plan = plan_for(seconds, times, limits, curve);
      EXPECT_GE(plan.accuracy, last);
      last = plan.accuracy;
      EXPECT_DOUBLE_EQ(plan.accuracy, curve.accuracy(plan.branches, plan.budget_tokens));
      EXPECT_LE(plan.branches, limits.most_branches);
      EXPECT_LE(plan.budget_tokens, limits.most_budget_tokens);
      const bool least = plan.branches == 1 && plan.budget_tokens == 1;
      EXPECT_TRUE(least || plan.seconds <= seconds);
      EXPECT_DOUBLE_EQ(plan.seconds,
                       plan_seconds(times, limits, plan.branches, plan.budget_tokens));
    }
  }
}

TEST(Planner, TheBestMeasuredPointThatFitsIsTaken) {
  std::vector<PackResult> points(2);
  points[0].branches = 1;
  points[0].budget_tokens = 100;
  points[0].accuracy = 0.5;
  points[1].branches = 4;
  points[1].budget_tokens = 400;
  points[1].accuracy = 0.8;
  const AccuracyCurve curve(points);
  const StepTimes times = some_times();
  const PlanLimits limits = some_limits();
  const double first = plan_seconds(times, limits, 1, 100);
  const double second = plan_seconds(times, limits, 4, 400);
  EXPECT_EQ(plan_for(first, times, limits, curve).branches, 1);
  EXPECT_DOUBLE_EQ(plan_for(first, times, limits, curve).accuracy, 0.5);
  const TimePlan plan = plan_for(second, times, limits, curve);
  EXPECT_EQ(plan.branches, 4);
  EXPECT_EQ(plan.budget_tokens, 400);
  // What was not measured to be better is not done.
  EXPECT_EQ(plan_for(1000, times, limits, curve).branches, 4);
}

TEST(Planner, PlacesScoresAndLongClosingsTakeTime) {
  const StepTimes times = some_times();
  PlanLimits limits = some_limits();
  const double together = plan_seconds(times, limits, 8, 100);
  limits.scoring_tokens = 10;
  EXPECT_GT(plan_seconds(times, limits, 8, 100), together);
  limits = some_limits();
  limits.closing_tokens = 20;
  EXPECT_GT(plan_seconds(times, limits, 8, 100), together);
  limits = some_limits();
  limits.parallel = 3;  // three rounds of three
  EXPECT_DOUBLE_EQ(plan_seconds(times, limits, 8, 100), 3 * plan_seconds(times, limits, 3, 100));
}

}  // namespace
}  // namespace pith
