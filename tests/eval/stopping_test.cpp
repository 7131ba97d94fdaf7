// Early stops: hand-made votes, and the library's own vote after each sample.
#include "eval/stopping.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "base/rng.h"
#include "reason/early_stop.h"

namespace pith {
namespace {

std::vector<StopOutcome> stop(const std::vector<Vote>& votes, const std::vector<StopAt>& stops) {
  std::vector<int32_t> tokens(votes.size(), 10);
  return stop_early(votes, tokens, stops, 1);
}

double samples_of(const std::vector<Vote>& votes, const StopAt& stop_at) {
  return stop(votes, {stop_at})[0].samples;
}

TEST(StopEarly, AllAgree) {
  const std::vector<Vote> votes(8, {0, true, 1});
  EXPECT_DOUBLE_EQ(samples_of(votes, std::nullopt), 5);  // 5 against 3 that are open
  // Beta(n + 1, 1) is above one half with probability 1 - 2^-(n + 1).
  EXPECT_DOUBLE_EQ(samples_of(votes, 0.7), 1);    // 0.75
  EXPECT_DOUBLE_EQ(samples_of(votes, 0.8), 2);    // 0.875
  EXPECT_DOUBLE_EQ(samples_of(votes, 0.9), 3);    // 0.9375
  EXPECT_DOUBLE_EQ(samples_of(votes, 0.95), 4);   // 0.96875
  EXPECT_DOUBLE_EQ(samples_of(votes, 0.999), 5);  // decided before
  const auto outcome = stop(votes, {0.9})[0];
  EXPECT_DOUBLE_EQ(outcome.accuracy, 1);
  EXPECT_DOUBLE_EQ(outcome.tokens, 30);
}

TEST(StopEarly, LightVotesDecideLate) {
  EXPECT_DOUBLE_EQ(samples_of(std::vector<Vote>(4, {0, true, 1}), std::nullopt), 3);
  // 0.75 against one open vote that may weigh 1.
  EXPECT_DOUBLE_EQ(samples_of(std::vector<Vote>(4, {0, true, 0.25}), std::nullopt), 4);
}

TEST(StopEarly, WithoutAnswersAllAreTaken) {
  const auto outcomes = stop(std::vector<Vote>(4, {-1, false, 1}), {std::nullopt, 0.55});
  for (const StopOutcome& outcome : outcomes) {
    EXPECT_DOUBLE_EQ(outcome.samples, 4);
    EXPECT_DOUBLE_EQ(outcome.accuracy, 0);
  }
}

// Where two of three agree, two are enough if they come first: of three orders one.
TEST(StopEarly, OrdersAreShuffled) {
  const std::vector<Vote> votes = {{0, true, 1}, {1, false, 1}, {0, true, 1}};
  const double samples = samples_of(votes, std::nullopt);
  EXPECT_GT(samples, 2);
  EXPECT_LT(samples, 3);
  EXPECT_EQ(samples, samples_of(votes, std::nullopt));
  EXPECT_DOUBLE_EQ(stop(votes, {std::nullopt})[0].accuracy, 1);
}

TEST(StopEarly, OneSample) { EXPECT_DOUBLE_EQ(samples_of({{0, true, 1}}, std::nullopt), 1); }

std::vector<Vote> random_votes(uint64_t salt) {
  const size_t n = 1 + random_bits(salt, 0, 0) % 12;
  std::vector<Vote> votes;
  for (size_t i = 0; i < n; ++i) {
    const auto group = static_cast<int32_t>(random_bits(salt, 1, i) % 4) - 1;
    const double weight = salt % 2 == 0 ? 1 : random_unit(salt, 2, i);
    votes.push_back({group, group == 0, weight});
  }
  return votes;
}

const std::vector<StopAt> kSomeStops = {std::nullopt, 0.6, 0.9, 0.99};

TEST(StopEarly, NeverTakesMoreAndWhatIsDecidedStays) {
  for (uint64_t salt = 0; salt < 300; ++salt) {
    const std::vector<Vote> votes = random_votes(salt);
    const auto outcomes = stop(votes, kSomeStops);
    EXPECT_NEAR(outcomes[0].accuracy, tally(votes).accuracy(), 1e-12) << salt;
    EXPECT_LE(outcomes[0].samples, static_cast<double>(votes.size()));
    // The more certain it must be, the more it takes.
    EXPECT_LE(outcomes[1].samples, outcomes[2].samples);
    EXPECT_LE(outcomes[2].samples, outcomes[3].samples);
    EXPECT_LE(outcomes[3].samples, outcomes[0].samples);
    for (const StopOutcome& outcome : outcomes) {
      EXPECT_GE(outcome.samples, 1);
      EXPECT_NEAR(outcome.tokens, 10 * outcome.samples, 1e-9);
    }
  }
}

// As pith ask does it: a vote by the library over the ballots so far, after each of them.
TEST(StopEarly, EqualsVotesOfTheLibrary) {
  for (uint64_t salt = 0; salt < 60; ++salt) {
    const std::vector<Vote> votes = random_votes(salt);
    for (const StopAt& stop_at : kSomeStops) {
      double taken = 0;
      for (uint64_t number = 0; number < kStopOrders; ++number) {
        std::vector<size_t> order = random_order(votes.size(), 1, number);
        if (number == 0) std::iota(order.begin(), order.end(), size_t{0});
        std::vector<Ballot> ballots;
        for (size_t i = 0; i < order.size(); ++i) {
          const Vote& vote = votes[order[i]];
          ballots.push_back({vote.group < 0 ? "" : std::to_string(vote.group)});
          ballots.back().weight = vote.weight;
          taken += 1;
          const auto groups = weighted_vote(ballots, AnswerKind::number);
          if (vote_is_decided(groups, order.size() - i - 1)) break;
          if (stop_at && leader_probability(groups) >= *stop_at) break;
        }
      }
      EXPECT_NEAR(samples_of(votes, stop_at), taken / kStopOrders, 1e-9) << salt;
    }
  }
}

}  // namespace
}  // namespace pith
