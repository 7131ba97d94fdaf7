// Calibrations are judged on votes that they have not seen.
#include "eval/cross_fit.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "eval/statistics.h"

namespace pith {
namespace {

// Five votes of full agreement, a fold each: the others are all that is known, by Laplace's rule.
TEST(CrossFit, OneVoteAFold) {
  const std::vector<JudgedVote> votes = {{1, 8, 1}, {1, 8, 0}, {1, 8, 1}, {1, 8, 1}, {1, 8, 1}};
  const CrossFit fit = cross_fit(votes, 1);
  for (size_t i = 0; i < votes.size(); ++i) {
    EXPECT_DOUBLE_EQ(fit.probabilities[i], i == 1 ? 5.0 / 6 : 4.0 / 6);
  }
  ASSERT_EQ(fit.calibration.points().size(), 1u);
  EXPECT_DOUBLE_EQ(fit.calibration.points()[0].accuracy, 5.0 / 7);
}

// Right with probability share^2.
std::vector<JudgedVote> overconfident_votes(size_t count, uint64_t salt) {
  std::vector<JudgedVote> votes;
  for (size_t i = 0; i < count; ++i) {
    const double share = static_cast<double>(1 + random_bits(salt, 1, i) % 64) / 64;
    votes.push_back({share, 64, random_unit(salt, 2, i) < share * share ? 1.0 : 0.0});
  }
  return votes;
}

TEST(CrossFit, NoVoteHelpsToJudgeItself) {
  std::vector<JudgedVote> votes = overconfident_votes(40, 3);
  const CrossFit before = cross_fit(votes, 2);
  int others_changed = 0;
  for (size_t i = 0; i < votes.size(); ++i) {
    votes[i].right = 1 - votes[i].right;
    const CrossFit after = cross_fit(votes, 2);
    EXPECT_EQ(after.probabilities[i], before.probabilities[i]);
    if (after.probabilities != before.probabilities) ++others_changed;
    votes[i].right = 1 - votes[i].right;
  }
  EXPECT_GT(others_changed, 30);
}

// Uncalibrated the error is the mean of s - s^2, about 1/6. Calibrated, a bin of the ten
// has 400 votes: its error is about 0.5 / sqrt(400) at most.
TEST(CrossFit, TakesOverconfidenceAway) {
  const std::vector<JudgedVote> votes = overconfident_votes(4000, 5);
  const CrossFit fit = cross_fit(votes, 1);
  std::vector<Judgement> before;
  std::vector<Judgement> after;
  for (size_t i = 0; i < votes.size(); ++i) {
    before.push_back({votes[i].share, votes[i].right});
    after.push_back({fit.probabilities[i], votes[i].right});
  }
  EXPECT_NEAR(reliability(before).calibration_error, 1.0 / 6, 0.03);
  EXPECT_LT(reliability(after).calibration_error, 0.03);
  EXPECT_LT(reliability(after).brier, reliability(before).brier);
  for (const double share : {0.25, 0.5, 0.75, 1.0}) {
    EXPECT_NEAR(fit.calibration.probability(share, 64), share * share, 0.1) << share;
  }
}

}  // namespace
}  // namespace pith
