// Shares of questions that reason, from runs made by hand.
#include "eval/routing.h"

#include <gtest/gtest.h>

namespace pith {
namespace {

// A question a sample; one token without reasoning, five with it.
EvalRun run_of(const std::vector<bool>& correct, bool thinking,
               const std::vector<double>& probabilities) {
  EvalRun run;
  for (size_t i = 0; i < correct.size(); ++i) {
    QuestionResult question;
    question.index = static_cast<int32_t>(i);
    SampleResult sample;
    sample.correct = correct[i];
    sample.tokens = thinking ? 5 : 1;
    sample.thinking = thinking;
    if (i < probabilities.size()) sample.think_probability = probabilities[i];
    question.samples.push_back(sample);
    run.questions.push_back(question);
  }
  return run;
}

const std::vector<double> kProbabilities = {0.1, 0.9, 0.5, 0.7};

TEST(RoutingCurve, TheLikeliestReasonFirst) {
  const auto curve = routing_curve(run_of({true, false, false, false}, false, kProbabilities),
                                   run_of({false, true, true, false}, true, kProbabilities));
  ASSERT_EQ(curve.size(), 11u);
  EXPECT_EQ(curve[0].accuracy, 0.25);
  EXPECT_EQ(curve[0].tokens, 1);
  EXPECT_EQ(curve[0].threshold, 1);
  EXPECT_EQ(curve[5].share, 0.5);  // 0.9 and 0.7
  EXPECT_EQ(curve[5].threshold, 0.7);
  EXPECT_EQ(curve[5].accuracy, 0.5);
  EXPECT_EQ(curve[5].tokens, 3);
  EXPECT_EQ(curve[8].share, 0.75);  // and 0.5
  EXPECT_EQ(curve[8].accuracy, 0.75);
  EXPECT_EQ(curve[10].accuracy, 0.5);
  EXPECT_EQ(curve[10].tokens, 5);
}

TEST(RoutingCurve, NeedsOneRunOfEachKindWithProbabilities) {
  const auto direct = run_of({true, false}, false, {0.1, 0.2});
  const auto thinking = run_of({true, true}, true, {0.1, 0.2});
  EXPECT_FALSE(routing_curve(direct, thinking).empty());
  EXPECT_TRUE(routing_curve(thinking, direct).empty());
  EXPECT_TRUE(routing_curve(direct, direct).empty());
  EXPECT_TRUE(routing_curve(direct, run_of({true, true}, true, {0.1})).empty());
  EXPECT_TRUE(routing_curve(direct, run_of({true}, true, {0.1})).empty());
  EXPECT_TRUE(routing_curve({}, {}).empty());
}

}  // namespace
}  // namespace pith
