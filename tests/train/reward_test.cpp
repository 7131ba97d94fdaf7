// Rewards and advantages against the formulas, by hand.
#include "train/reward.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace pith::train {
namespace {

// arXiv 2603.16867: 1 for L <= (1 - m) B, 0 for L > (1 + m) B, linear in between.
TEST(LengthReward, IsTheSoftBarrier) {
  EXPECT_EQ(length_reward(1, 100, 0.25), 1);
  EXPECT_EQ(length_reward(75, 100, 0.25), 1);
  EXPECT_DOUBLE_EQ(length_reward(76, 100, 0.25), 0.98);
  EXPECT_DOUBLE_EQ(length_reward(100, 100, 0.25), 0.5);
  EXPECT_DOUBLE_EQ(length_reward(124, 100, 0.25), 0.02);
  EXPECT_EQ(length_reward(125, 100, 0.25), 0);
  EXPECT_EQ(length_reward(10000, 100, 0.25), 0);
  EXPECT_DOUBLE_EQ(length_reward(150, 100, 1), 0.25);
  EXPECT_EQ(length_reward(100, 100, 0), 1);
  EXPECT_EQ(length_reward(101, 100, 0), 0);
}

TEST(LengthReward, EndsAtTheHardLimit) {
  EXPECT_EQ(hard_limit(100, 0.25), 125);
  EXPECT_EQ(hard_limit(100, 0.15), 115);  // 1.15 * 100 is less than 115 in doubles
  EXPECT_EQ(hard_limit(10, 0.25), 12);
  EXPECT_EQ(hard_limit(7, 0), 7);
}

TEST(GroupRewards, AreForRightAnswersAlone) {
  const train::Outcome group[] = {{true, 50}, {true, 100}, {false, 50}, {true, 130}};
  EXPECT_EQ(group_rewards(group, 100, 0.25, 0), (std::vector<double>{1, 0.5, 0, 0}));
}

TEST(GroupRewards, LengthCountsWhereEnoughAreRight) {
  const train::Outcome group[] = {{true, 100}, {true, 1}, {true, 100}, {false, 1}};
  const std::vector<double> with = {0.5, 1, 0.5, 0};
  const std::vector<double> without = {1, 1, 1, 0};
  EXPECT_EQ(group_rewards(group, 100, 0.25, 0.75), with);
  EXPECT_EQ(group_rewards(group, 100, 0.25, 0.76), without);
}

TEST(GroupRewards, AlikeOnesTeachNothing) {
  EXPECT_TRUE(are_alike(std::vector<double>{0, 0, 0}));
  EXPECT_TRUE(are_alike(std::vector<double>{0.3, 0.1 + 0.2}));
  EXPECT_FALSE(are_alike(std::vector<double>{1, 1, 0.98}));
}

// r = 1, 1, 0, 0.5: mean 0.625, squares 0.140625 * 2 + 0.390625 + 0.015625 = 0.6875.
TEST(GroupAdvantages, AreDeviationsFromTheMean) {
  const std::vector<double> rewards = {1, 1, 0, 0.5};
  EXPECT_EQ(group_advantages(rewards, false), (std::vector<double>{0.375, 0.375, -0.625, -0.125}));
  const double deviation = std::sqrt(0.6875 / 4) + 1e-6;
  const std::vector<double> divided = group_advantages(rewards, true);
  ASSERT_EQ(divided.size(), 4);
  EXPECT_DOUBLE_EQ(divided[0], 0.375 / deviation);
  EXPECT_DOUBLE_EQ(divided[2], -0.625 / deviation);
  EXPECT_EQ(group_advantages(std::vector<double>{2, 2}, true), (std::vector<double>{0, 0}));
}

double variance(const std::vector<double>& rewards) {
  double mean = 0;
  for (const double reward : rewards) mean += reward / static_cast<double>(rewards.size());
  double squares = 0;
  for (const double reward : rewards) squares += (reward - mean) * (reward - mean);
  return squares;
}

TEST(MostVaried, AreTheBestAndTheWorst) {
  const std::vector<double> few_right = {0, 0, 1, 0, 0, 0};
  EXPECT_EQ(most_varied(few_right, 4), (std::vector<size_t>{2, 3, 4, 5}));
  EXPECT_EQ(most_varied(few_right, 2), (std::vector<size_t>{2, 5}));
  const std::vector<double> few_wrong = {1, 0.9, 1, 0, 1, 0.5};
  EXPECT_EQ(most_varied(few_wrong, 2), (std::vector<size_t>{3, 4}));
  EXPECT_EQ(most_varied(few_wrong, 6), (std::vector<size_t>{0, 1, 2, 3, 4, 5}));
}

// Beside all choices there are.
TEST(MostVaried, NoOtherChoiceVariesMore) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<double> rewards(8);
    for (double& reward : rewards) reward = static_cast<double>(random() % 5) / 4;
    const size_t count = 2 + random() % 6;
    double most = 0;
    for (unsigned choice = 0; choice < 256; ++choice) {
      std::vector<double> chosen;
      for (size_t i = 0; i < 8; ++i) {
        if ((choice >> i & 1) != 0) chosen.push_back(rewards[i]);
      }
      if (chosen.size() == count) most = std::max(most, variance(chosen));
    }
    std::vector<double> found;
    for (const size_t i : most_varied(rewards, count)) found.push_back(rewards[i]);
    ASSERT_EQ(found.size(), count);
    EXPECT_NEAR(variance(found), most, 1e-12);
  }
}

}  // namespace
}  // namespace pith::train
