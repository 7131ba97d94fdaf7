// Early stops: what is called decided cannot change, and the posterior is exact.
#include "reason/early_stop.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace pith {
namespace {

std::string winner_of(std::span<const Ballot> ballots) {
  const auto groups = weighted_vote(ballots, AnswerKind::number);
  return groups.empty() ? "" : groups[0].answer;
}

// Whether some way to complete the ballots, with the heaviest weights where they help most
// or none at all, has another winner. The answers that are there, a new one, and none.
bool can_change(std::vector<Ballot>& ballots, size_t open, const std::string& winner) {
  if (open == 0) return winner_of(ballots) != winner;
  for (const char* answer : {"", "1", "2", "3", "4"}) {
    for (const double weight : {0.0, 0.5, 1.0}) {
      ballots.push_back({answer, 0});
      ballots.back().weight = weight;
      const bool changed = can_change(ballots, open - 1, winner);
      ballots.pop_back();
      if (changed) return true;
    }
  }
  return false;
}

TEST(VoteIsDecided, NoCompletionChangesADecidedVote) {
  std::mt19937 random(1);
  int decided = 0;
  int open_to_change = 0;
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<Ballot> ballots(1 + random() % 6);
    for (Ballot& ballot : ballots) {
      ballot.answer = std::to_string(random() % 4);
      if (ballot.answer == "0") ballot.answer.clear();
      ballot.weight = trial % 2 == 0 ? 1 : static_cast<double>(random() % 5) / 4;
    }
    const size_t open = random() % 3;
    const auto groups = weighted_vote(ballots, AnswerKind::number);
    const bool changes = can_change(ballots, open, winner_of(ballots));
    if (vote_is_decided(groups, open)) {
      EXPECT_FALSE(changes) << trial;
      ++decided;
    } else {
      // At most a tie is called open that the order of ties would settle.
      const double lead = groups.empty()
                              ? 0
                              : groups[0].weight - (groups.size() > 1 ? groups[1].weight : 0) -
                                    static_cast<double>(open);
      EXPECT_TRUE(changes || lead >= -1e-9) << trial;
      ++open_to_change;
    }
  }
  EXPECT_GT(decided, 50);
  EXPECT_GT(open_to_change, 50);
}

TEST(VoteIsDecided, Ends) {
  EXPECT_TRUE(vote_is_decided({}, 0));
  EXPECT_FALSE(vote_is_decided({}, 1));
}

// P(p > 1/2) for p from Beta(a + 1, b + 1) is the sum of C(n, j) over j = 0 .. a, divided
// by 2^n, with n = a + b + 1.
double by_integers(uint64_t a, uint64_t b) {
  const uint64_t n = a + b + 1;
  uint64_t choose = 1;
  uint64_t sum = 1;
  for (uint64_t j = 1; j <= a; ++j) {
    choose = choose * (n - j + 1) / j;
    sum += choose;
  }
  return std::ldexp(static_cast<double>(sum), -static_cast<int>(n));
}

TEST(LeaderProbability, EqualsExactSums) {
  for (uint64_t a = 0; a <= 24; ++a) {
    for (uint64_t b = 0; b <= 24; ++b) {
      const auto leader = static_cast<double>(a);
      const auto second = static_cast<double>(b);
      EXPECT_NEAR(leader_probability(leader, second), by_integers(a, b), 1e-12) << a << " " << b;
    }
  }
}

TEST(LeaderProbability, IsAProbabilityThatRisesWithTheLead) {
  for (double second = 0; second < 300; second += 13.7) {
    double before = 0;
    for (double leader = 0; leader < 300; leader += 4.3) {
      const double probability = leader_probability(leader, second);
      EXPECT_GE(probability, before - 1e-12);
      EXPECT_LE(probability, 1);
      EXPECT_NEAR(probability, 1 - leader_probability(second, leader), 1e-12);
      before = probability;
    }
    EXPECT_NEAR(leader_probability(second, second), 0.5, 1e-12);
  }
}

TEST(LeaderProbability, OfGroups) {
  EXPECT_EQ(leader_probability(std::span<const AnswerGroup>()), 0);
  const Ballot ballots[] = {{"1"}, {"1"}, {"2"}, {"3"}};
  EXPECT_DOUBLE_EQ(leader_probability(weighted_vote(ballots, AnswerKind::number)),
                   leader_probability(2, 1));
}

}  // namespace
}  // namespace pith
