#include "reason/vote.h"

#include <gtest/gtest.h>

namespace pith {
namespace {

using Members = std::vector<size_t>;

TEST(MajorityVote, GroupsEquivalentAnswersAndCountsThem) {
  const Ballot ballots[] = {
      {"$1,200", -0.5}, {"15", -0.1}, {"1200 dollars", -0.2}, {"1200.00", -0.4}};
  const auto groups = majority_vote(ballots, AnswerKind::number);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].members, (Members{0, 2, 3}));
  EXPECT_EQ(groups[0].answer, "1200 dollars");  // as its likeliest branch wrote it
  EXPECT_DOUBLE_EQ(groups[0].share, 0.75);
  EXPECT_NEAR(groups[0].mean_log_probability, -1.1 / 3, 1e-12);
  EXPECT_EQ(groups[1].members, (Members{1}));
}

TEST(MajorityVote, TheTwoReadingsOfAPercentageJoin) {
  const Ballot ballots[] = {{"25", 0}, {"25%", 0}, {"7", 0}, {"7", 0}};
  const auto groups = majority_vote(ballots, AnswerKind::number);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].members, (Members{0, 1}));
}

TEST(MajorityVote, TiesGoToTheHigherProbabilityThenToTheFirst) {
  const Ballot by_probability[] = {{"1", -0.5}, {"2", -0.1}};
  EXPECT_EQ(majority_vote(by_probability, AnswerKind::number)[0].answer, "2");
  const Ballot all_equal[] = {{"2", -0.5}, {"1", -0.5}};
  EXPECT_EQ(majority_vote(all_equal, AnswerKind::number)[0].answer, "2");
}

TEST(MajorityVote, BranchesWithoutAnAnswerDoNotVote) {
  const Ballot ballots[] = {{"", -0.1}, {"3", -0.5}, {"", -0.1}};
  const auto groups = majority_vote(ballots, AnswerKind::number);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].members, (Members{1}));
  EXPECT_DOUBLE_EQ(groups[0].share, 1.0);
  EXPECT_TRUE(majority_vote({}, AnswerKind::number).empty());
  EXPECT_TRUE(majority_vote({ballots, 1}, AnswerKind::number).empty());
}

TEST(MajorityVote, Choices) {
  const Ballot ballots[] = {{"(B)", 0}, {"b", 0}, {"A", 0}};
  const auto groups = majority_vote(ballots, AnswerKind::choice);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].members, (Members{0, 1}));
}

}  // namespace
}  // namespace pith
