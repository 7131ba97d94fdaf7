// Samples become votes by the rules of the library, where they have what these need.
#include "eval/votes.h"

#include <gtest/gtest.h>

#include "eval/metrics.h"

namespace pith {
namespace {

// Two questions of three samples: "0.5" and "1/2" are the same answer, one gives none.
EvalRun two_questions() {
  EvalRun run;
  run.samples = 3;
  run.questions.resize(2);
  run.questions[0].samples = {{"0.5", true, 1, 0.5}, {"3", false, 1, 0.5}, {"1/2", true, 1, 0.5}};
  run.questions[1].samples = {{"7", false, 1, 0.5}, {"", false, 1, 0.5}, {"8", true, 1, 0.5}};
  run.questions[1].index = 1;
  return run;
}

void set_confidence(EvalRun& run) {
  for (QuestionResult& question : run.questions) {
    double confidence = 0.2;
    for (SampleResult& sample : question.samples) sample.confidence = confidence += 0.2;
  }
}

void set_verifier_scores(EvalRun& run) {
  for (QuestionResult& question : run.questions) {
    double score = 1;
    for (SampleResult& sample : question.samples) sample.verifier_score = score -= 0.25;
  }
}

TEST(VotesOf, GroupsOfEquivalentAnswers) {
  const auto votes = votes_of(two_questions(), VoteRule::majority);
  ASSERT_EQ(votes.size(), 2u);
  EXPECT_EQ(votes[0][0].group, votes[0][2].group);
  EXPECT_NE(votes[0][0].group, votes[0][1].group);
  EXPECT_TRUE(votes[0][0].correct);
  EXPECT_FALSE(votes[0][1].correct);
  EXPECT_EQ(votes[1][1].group, -1);
  EXPECT_NE(votes[1][0].group, votes[1][2].group);
  for (const Vote& vote : votes[0]) EXPECT_EQ(vote.weight, 1);
}

TEST(VotesOf, WeightsByRule) {
  EvalRun run = two_questions();
  set_confidence(run);
  set_verifier_scores(run);
  const auto confidence = votes_of(run, VoteRule::confidence);
  const auto verifier = votes_of(run, VoteRule::verifier);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(confidence[0][i].weight, run.questions[0].samples[i].confidence);
    EXPECT_EQ(verifier[0][i].weight, run.questions[0].samples[i].verifier_score);
  }
  // "8", the last, has the confidence; "7", the first, has the verifier.
  EXPECT_EQ(tally(confidence[1]).accuracy(), 1);
  EXPECT_EQ(tally(verifier[1]).accuracy(), 0);
}

TEST(VotesOf, RulesThatEverySampleHasWeightsFor) {
  using enum VoteRule;
  EvalRun run = two_questions();
  EXPECT_EQ(vote_rules(run), (std::vector<VoteRule>{majority}));
  EXPECT_EQ(left_out_votes(run),
            (std::vector<std::string>{"votes by confidence are left out: 6 of 6 samples have no "
                                      "confidence (an older pith drew them)"}));
  set_confidence(run);
  EXPECT_EQ(vote_rules(run), (std::vector<VoteRule>{majority, confidence}));
  EXPECT_TRUE(left_out_votes(run).empty());
  set_verifier_scores(run);
  EXPECT_EQ(vote_rules(run), (std::vector<VoteRule>{majority, confidence, verifier}));
  run.questions[1].samples[1].verifier_score.reset();
  EXPECT_EQ(vote_rules(run), (std::vector<VoteRule>{majority, confidence}));
  EXPECT_EQ(left_out_votes(run),
            (std::vector<std::string>{
                "votes by verifier are left out: 1 of 6 samples have no score of a verifier"}));
}

// A single sample wins its vote, whatever it weighs.
TEST(VotesOf, OfOneAreSingleSamples) {
  EvalRun run = two_questions();
  set_confidence(run);
  set_verifier_scores(run);  // down to 0.25
  run.questions[0].samples[0].verifier_score = 0;
  std::vector<double> single;
  int votes = 0;
  for (const Metric& metric : metrics_of(run, {1})) {
    if (metric.name.figure == "pass_at_1") single = metric.values;
    if (metric.name.k != 1) continue;
    ++votes;
    for (size_t i = 0; i < single.size(); ++i) EXPECT_NEAR(metric.values[i], single[i], 1e-12);
  }
  EXPECT_EQ(votes, 4);  // by three rules, and pass@1 as pass_at
}

}  // namespace
}  // namespace pith
