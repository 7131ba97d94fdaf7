// Statistics against brute force: every subset, every order, large simulations.
#include "eval/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"

namespace pith {
namespace {

// Five votes: group 0 twice (right), group 1 twice, one without an answer.
std::vector<Vote> five_votes() {
  return {{0, true, 1}, {1, false, 1}, {0, true, 1}, {-1, false, 1}, {1, false, 1}};
}

// Random votes: `n` of them, over `groups` answers, of which number 0 is right.
std::vector<Vote> some_votes(int n, int groups, uint64_t salt) {
  std::vector<Vote> votes;
  for (int i = 0; i < n; ++i) {
    const auto bits = random_bits(salt, 1, static_cast<uint64_t>(i));
    const int group = static_cast<int>(bits % static_cast<uint64_t>(groups + 1)) - 1;
    const double weight = 0.1 + random_unit(salt, 2, static_cast<uint64_t>(i));
    votes.push_back({group, group == 0, weight});
  }
  return votes;
}

// By the definition, with no code of ours but the subsets' bit masks.
double brute_vote(const std::vector<Vote>& votes, int k) {
  double sum = 0;
  int subsets = 0;
  for (uint32_t mask = 0; mask < (1u << votes.size()); ++mask) {
    if (__builtin_popcount(mask) != k) continue;
    ++subsets;
    std::vector<double> weight(votes.size(), 0);
    for (size_t i = 0; i < votes.size(); ++i) {
      if ((mask >> i & 1) != 0 && votes[i].group >= 0) {
        weight[static_cast<size_t>(votes[i].group)] += votes[i].weight;
      }
    }
    const double best = *std::max_element(weight.begin(), weight.end());
    if (best == 0) continue;
    const auto tied = std::count(weight.begin(), weight.end(), best);
    if (weight[0] == best) sum += 1.0 / static_cast<double>(tied);
  }
  return sum / subsets;
}

TEST(Votes, TieIsBrokenInExpectation) {
  EXPECT_DOUBLE_EQ(tally(five_votes()).accuracy(), 0.5);
  EXPECT_DOUBLE_EQ(tally(std::vector<Vote>{{0, true, 1}, {1, false, 1}, {0, true, 1}}).accuracy(),
                   1);
}

TEST(Votes, WeightDecides) {
  const Tally all = tally(std::vector<Vote>{{0, true, 0.9}, {1, false, 0.3}, {1, false, 0.5}});
  EXPECT_DOUBLE_EQ(all.accuracy(), 1);
  EXPECT_DOUBLE_EQ(all.leader(), 0.9);
  EXPECT_DOUBLE_EQ(all.second(), 0.8);
  EXPECT_DOUBLE_EQ(all.leader_share(), 0.9 / 1.7);
}

TEST(Votes, NobodyVotes) {
  for (const auto& votes : {std::vector<Vote>{{-1, false, 1}, {-1, false, 1}}, {}}) {
    const Tally none = tally(votes);
    EXPECT_EQ(none.answered(), 0u);
    EXPECT_EQ(none.accuracy(), 0);
    EXPECT_EQ(none.leader_share(), 0);
  }
}

TEST(Votes, NothingWeighs) {
  const Tally all = tally(std::vector<Vote>{{0, true, 0}, {1, false, 0}});
  EXPECT_EQ(all.answered(), 2u);
  EXPECT_DOUBLE_EQ(all.accuracy(), 0.5);
  EXPECT_EQ(all.leader_share(), 0);
}

// The leaders are those that sorting all weights finds, after each vote.
TEST(Votes, LeadersAreKnownWhileVotesCome) {
  for (uint64_t salt = 0; salt < 200; ++salt) {
    std::vector<Vote> votes = some_votes(12, 5, salt);
    if (salt % 2 == 0) {
      for (Vote& vote : votes) vote.weight = 1;  // with ties
    }
    Tally tally(5);
    std::vector<double> weights(5, 0);
    for (const Vote& vote : votes) {
      tally.add(vote);
      if (vote.group >= 0) weights[static_cast<size_t>(vote.group)] += vote.weight;
      std::vector<double> sorted = weights;
      std::sort(sorted.rbegin(), sorted.rend());
      EXPECT_EQ(tally.leader(), sorted[0]);
      EXPECT_EQ(tally.second(), sorted[1]);
    }
  }
}

TEST(Votes, OrderDoesNotMatter) {
  std::vector<Vote> votes = some_votes(10, 3, 7);
  for (Vote& vote : votes) vote.weight = std::ceil(4 * vote.weight) / 8;  // exact sums
  for (int k = 1; k <= 10; ++k) {
    const double before = vote_accuracy_at(votes, k, 1);
    const auto order = random_order(votes.size(), 5, static_cast<uint64_t>(k));
    std::vector<Vote> shuffled;
    for (const size_t i : order) shuffled.push_back(votes[i]);
    EXPECT_NEAR(vote_accuracy_at(shuffled, k, 1), before, 1e-12);
  }
}

TEST(RandomOrder, IsAPermutationAndLeavesNoneOut) {
  std::vector<int> seen(6, 0);
  for (uint64_t number = 0; number < 300; ++number) {
    std::vector<size_t> order = random_order(3, 1, number);
    ++seen[2 * order[0] + (order[1] > order[2] ? 1 : 0)];
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, (std::vector<size_t>{0, 1, 2}));
  }
  // Each of six orders 50 times, within five standard deviations.
  for (const int count : seen) EXPECT_NEAR(count, 50, 5 * std::sqrt(300 * 5.0 / 36));
}

TEST(Votes, AtOneIsTheShareThatIsRight) {
  EXPECT_NEAR(vote_accuracy_at(five_votes(), 1, 1), 0.4, 1e-12);
}

TEST(Votes, AtKEqualsBruteForce) {
  for (uint64_t salt = 0; salt < 20; ++salt) {
    for (const int n : {1, 2, 5, 9}) {
      std::vector<Vote> votes = some_votes(n, std::min(n, 3), salt);
      for (const bool equal : {false, true}) {
        if (equal) {
          for (Vote& vote : votes) vote.weight = 1;
        }
        for (int k = 1; k <= n; ++k) {
          EXPECT_NEAR(vote_accuracy_at(votes, k, salt), brute_vote(votes, k), 1e-12)
              << salt << " " << n << " " << k;
        }
      }
    }
  }
}

// C(16, 8) is above kMostSubsets: drawn subsets come close to all of them. The bound
// is five standard errors of the mean of values in [0, 1].
TEST(Votes, DrawnSubsetsComeCloseToAll) {
  const double bound = 5 * 0.5 / std::sqrt(kMostSubsets);
  for (uint64_t salt = 0; salt < 10; ++salt) {
    const std::vector<Vote> votes = some_votes(16, 4, salt);
    const double drawn = vote_accuracy_at(votes, 8, salt);
    EXPECT_NEAR(drawn, brute_vote(votes, 8), bound);
    EXPECT_EQ(drawn, vote_accuracy_at(votes, 8, salt));
  }
}

TEST(PassAt, EqualsBruteForce) {
  constexpr int n = 9;
  for (int correct = 0; correct <= n; ++correct) {
    for (int k = 1; k <= n; ++k) {
      int subsets = 0;
      int passed = 0;
      for (uint32_t mask = 0; mask < (1u << n); ++mask) {
        if (__builtin_popcount(mask) != k) continue;
        ++subsets;
        if ((mask & ((1u << correct) - 1)) != 0) ++passed;
      }
      EXPECT_NEAR(pass_at(n, correct, k), static_cast<double>(passed) / subsets, 1e-12);
    }
  }
}

TEST(Quantile, InterpolatesBetweenNeighbours) {
  EXPECT_DOUBLE_EQ(quantile({3, 1, 2}, 0), 1);
  EXPECT_DOUBLE_EQ(quantile({3, 1, 2}, 0.5), 2);
  EXPECT_DOUBLE_EQ(quantile({3, 1, 2}, 0.75), 2.5);
  EXPECT_DOUBLE_EQ(quantile({3, 1, 2}, 1), 3);
  EXPECT_DOUBLE_EQ(quantile({7}, 0.3), 7);
}

// The mean of n coin flips has a standard error of 0.5 / sqrt(n): its interval is
// about 1.96 of them to each side.
TEST(Bootstrap, IntervalOfCoinFlips) {
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) values.push_back(i % 2);
  const Estimate estimate = bootstrap_mean(values, 7);
  EXPECT_DOUBLE_EQ(estimate.value, 0.5);
  EXPECT_NEAR(estimate.low, 0.5 - 1.96 * 0.025, 0.005);
  EXPECT_NEAR(estimate.high, 0.5 + 1.96 * 0.025, 0.005);
}

TEST(Bootstrap, RepeatsFromItsSeed) {
  const std::vector<double> values = {0, 1, 1, 0, 1};
  EXPECT_EQ(bootstrap_mean(values, 3).low, bootstrap_mean(values, 3).low);
  const Estimate same = bootstrap_mean(std::vector<double>(10, 0.25), 3);
  EXPECT_EQ(same.low, 0.25);
  EXPECT_EQ(same.high, 0.25);
}

// Of 200 samples of 60 coins, the 95 % interval holds the truth about 190 times.
TEST(Bootstrap, HoldsTheTruthAsOftenAsItSays) {
  constexpr double truth = 0.6;
  constexpr uint64_t kTrials = 100;
  int held = 0;
  for (uint64_t trial = 0; trial < kTrials; ++trial) {
    std::vector<double> values;
    for (uint64_t i = 0; i < 60; ++i) values.push_back(random_unit(trial, 9, i) < truth ? 1 : 0);
    const Estimate estimate = bootstrap_mean(values, trial);
    if (estimate.low <= truth && truth <= estimate.high) ++held;
  }
  EXPECT_GE(held, 89);
  EXPECT_LE(held, 99);
}

TEST(Reliability, BinsAndCalibrationError) {
  const Reliability result =
      reliability(std::vector<Judgement>{{0.95, 1}, {0.95, 0}, {1.0, 1}, {0.05, 0}});
  ASSERT_EQ(result.bins.size(), static_cast<size_t>(kReliabilityBins));
  EXPECT_EQ(result.bins[9].count, 3);
  EXPECT_NEAR(result.bins[9].accuracy, 2.0 / 3, 1e-12);
  EXPECT_EQ(result.bins[0].count, 1);
  EXPECT_EQ(result.bins[5].count, 0);
  // Three with |0.9667 - 0.6667|, one with |0.05 - 0|.
  EXPECT_NEAR(result.calibration_error, 0.75 * 0.3 + 0.25 * 0.05, 1e-12);
  EXPECT_NEAR(result.brier, (0.05 * 0.05 + 0.95 * 0.95 + 0 + 0.05 * 0.05) / 4, 1e-12);
}

// By lot, the answer is right as often as wrong: each of the two counts half.
TEST(Reliability, BrierScoreOfATie) {
  EXPECT_NEAR(reliability(std::vector<Judgement>{{0.8, 0.5}}).brier, (0.04 + 0.64) / 2, 1e-12);
}

}  // namespace
}  // namespace pith
