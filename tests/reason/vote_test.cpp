#include "reason/vote.h"

#include <gtest/gtest.h>

namespace pith {
namespace {

using Members = std::vector<size_t>;

TEST(WeightedVote, GroupsEquivalentAnswersAndCountsThem) {
  const Ballot ballots[] = {
      {"$1,200", -0.5}, {"15", -0.1}, {"1200 dollars", -0.2}, {"1200.00", -0.4}};
  const auto groups = weighted_vote(ballots, AnswerKind::number);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].members, (Members{0, 2, 3}));
  EXPECT_EQ(groups[0].answer, "1200 dollars");  // as its likeliest branch wrote it
  EXPECT_DOUBLE_EQ(groups[0].share, 0.75);
  EXPECT_NEAR(groups[0].mean_log_probability, -1.1 / 3, 1e-12);
  EXPECT_EQ(groups[1].members, (Members{1}));
}

TEST(WeightedVote, TheTwoReadingsOfAPercentageJoin) {
  const Ballot ballots[] = {{"25", 0}, {"25%", 0}, {"7", 0}, {"7", 0}};
  const auto groups = weighted_vote(ballots, AnswerKind::number);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].members, (Members{0, 1}));
}

TEST(WeightedVote, TiesGoToTheHigherProbabilityThenToTheFirst) {
  const Ballot by_probability[] = {{"1", -0.5}, {"2", -0.1}};
  EXPECT_EQ(weighted_vote(by_probability, AnswerKind::number)[0].answer, "2");
  const Ballot all_equal[] = {{"2", -0.5}, {"1", -0.5}};
  EXPECT_EQ(weighted_vote(all_equal, AnswerKind::number)[0].answer, "2");
}

TEST(WeightedVote, BranchesWithoutAnAnswerDoNotVote) {
  const Ballot ballots[] = {{"", -0.1}, {"3", -0.5}, {"", -0.1}};
  const auto groups = weighted_vote(ballots, AnswerKind::number);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].members, (Members{1}));
  EXPECT_DOUBLE_EQ(groups[0].share, 1.0);
  EXPECT_TRUE(weighted_vote({}, AnswerKind::number).empty());
  EXPECT_TRUE(weighted_vote({ballots, 1}, AnswerKind::number).empty());
}

TEST(WeightedVote, TheHeaviestGroupWinsNotTheLargest) {
  std::vector<Ballot> ballots = {{"1"}, {"1"}, {"2"}};
  ballots[0].weight = 0.2;
  ballots[1].weight = 0.3;
  ballots[2].weight = 0.9;
  ballots[0].mean_log_probability = -0.1;
  ballots[1].mean_log_probability = -0.9;
  const auto groups = weighted_vote(ballots, AnswerKind::number);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].answer, "2");
  EXPECT_NEAR(groups[0].weight_share, 0.9 / 1.4, 1e-12);
  EXPECT_NEAR(groups[0].share, 1.0 / 3, 1e-12);
  EXPECT_EQ(groups[1].best, 1u);  // the heavier, though less likely
}

TEST(WeightedVote, TiesOfWeightGoToTheLargerGroup) {
  std::vector<Ballot> ballots = {{"2"}, {"1"}, {"1"}};
  ballots[0].weight = 1;
  ballots[1].weight = ballots[2].weight = 0.5;
  EXPECT_EQ(weighted_vote(ballots, AnswerKind::number)[0].answer, "1");
}

TEST(WeightedVote, WithoutAnyWeightMembersCount) {
  std::vector<Ballot> ballots = {{"2"}, {"1"}, {"1"}};
  for (Ballot& ballot : ballots) ballot.weight = 0;
  const auto groups = weighted_vote(ballots, AnswerKind::number);
  EXPECT_EQ(groups[0].answer, "1");
  EXPECT_EQ(groups[0].weight_share, 0);
}

TEST(Weigh, ByRule) {
  std::vector<Ballot> ballots = {{"1"}, {"1"}, {"2"}};
  ballots[0].confidence = 0.25;
  ballots[0].verifier_score = 0.9;
  ballots[2].verifier_score = 0.1;
  weigh(ballots, VoteRule::confidence);
  EXPECT_EQ(ballots[0].weight, 0.25);
  EXPECT_EQ(ballots[1].weight, 1);
  weigh(ballots, VoteRule::verifier);
  EXPECT_EQ(ballots[0].weight, 0.9);
  EXPECT_DOUBLE_EQ(ballots[1].weight, 0.5);  // not scored: the mean of the others
  weigh(ballots, VoteRule::majority);
  for (const Ballot& ballot : ballots) EXPECT_EQ(ballot.weight, 1);
  ballots = {{"1"}};
  weigh(ballots, VoteRule::verifier);
  EXPECT_EQ(ballots[0].weight, 1);
}

TEST(WeightedVote, Choices) {
  const Ballot ballots[] = {{"(B)", 0}, {"b", 0}, {"A", 0}};
  const auto groups = weighted_vote(ballots, AnswerKind::choice);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].members, (Members{0, 1}));
}

}  // namespace
}  // namespace pith
