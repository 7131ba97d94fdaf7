// Switchers from inputs that are made up, and the perceptron's gradient against differences.
#include "heads/switcher_training.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "heads/perceptron.h"
#include "heads/switcher_report.h"

namespace pith {
namespace {

double switcher_input(uint64_t stream, uint64_t i) { return 2 * random_unit(23, stream, i) - 1; }

TEST(Perceptron, TheGradientIsThatOfTheLoss) {
  const Perceptron perceptron = Perceptron::random(5, 4, 3);
  const std::vector<double> x = {0.3, -1.2, 0.7, 2, -0.4};
  const std::vector<double> mask = {1.25, 0, 1.25, 1.25};
  for (const bool positive : {false, true}) {
    std::vector<double> gradient(perceptron.size());
    add_gradient(perceptron, x, positive, 0.7, mask, gradient);
    for (size_t i = 0; i < perceptron.size(); ++i) {
      constexpr double kStep = 1e-6;
      Perceptron above = perceptron;
      Perceptron below = perceptron;
      above.parameters[i] += kStep;
      below.parameters[i] -= kStep;
      std::vector<double> ignored(perceptron.size());
      const double difference = add_gradient(above, x, positive, 0.7, mask, ignored) -
                                add_gradient(below, x, positive, 0.7, mask, ignored);
      EXPECT_NEAR(gradient[i], difference / (2 * kStep), 1e-8) << i;
    }
  }
}

// Reasoning is needed where two inputs have the same sign: no linear head can say so.
class SwitcherFitsTest : public ::testing::Test {
 protected:
  static constexpr size_t kInputs = 4;

  SwitcherFitsTest() {
    for (size_t q = 0; q < 300; ++q) {
      const double a = switcher_input(0, q);
      const double b = switcher_input(1, q);
      for (const double value : {a, b, switcher_input(2, q), 3.0}) {
        values.push_back(static_cast<float>(10 * value + 40));
      }
      const bool needs = a * b > 0;
      SwitcherExample example{q, needs, ModeOutcome{0.8, 300}, ModeOutcome{needs ? 0.1 : 0.8, 20}};
      examples.push_back(example);
    }
    options.noise = 0.1;
    options.dropout = 0;
    options.learning_rate = 0.01;
    options.restarts = 2;
  }

  Result<TrainedSwitcher> train() {
    return train_switcher({values, kInputs}, examples, options,
                          [](double, double) { return true; });
  }

  std::vector<float> values;
  std::vector<SwitcherExample> examples;
  SwitcherTraining options;
};

TEST_F(SwitcherFitsTest, LearnsWhatNoLinearHeadCan) {
  const TrainedSwitcher trained = train().value();
  EXPECT_GT(trained.auc.low, 0.9);
  const FeatureMatrix matrix{values, kInputs};
  int told = 0;
  for (size_t i = 0; i < examples.size(); ++i) {
    const bool says = trained.switcher.probability(matrix.row(i)) >= trained.threshold;
    told += says == examples[i].needs_thinking ? 1 : 0;
  }
  EXPECT_GT(told, 255);
  EXPECT_EQ(trained.routed, 300u);
  EXPECT_NEAR(trained.always.value, 0.8, 1e-9);
  // Most of what reasoning brings, for well below its tokens.
  EXPECT_GT(trained.accuracy.value, 0.74);
  EXPECT_LT(trained.token_share.value, 0.8);
  EXPECT_EQ(trained.curve.front().share, 0);
  EXPECT_EQ(trained.curve.back().share, 1);
  EXPECT_NEAR(trained.curve.back().tokens, 300, 1e-9);
}

TEST_F(SwitcherFitsTest, TheSameForTheSameSeed) {
  options.most_epochs = 5;
  const TrainedSwitcher once = train().value();
  EXPECT_EQ(train()->switcher.hidden.weight, once.switcher.hidden.weight);
  options.seed = 1;
  EXPECT_NE(train()->switcher.hidden.weight, once.switcher.hidden.weight);
}

TEST_F(SwitcherFitsTest, BySourceTheThresholdTellsTheClassesApart) {
  for (SwitcherExample& example : examples) example.thinking = example.direct = std::nullopt;
  const TrainedSwitcher trained = train().value();
  EXPECT_EQ(trained.routed, 0u);
  int told = 0;
  for (const ScoredRow& row : trained.judged) {
    told += (row.score >= trained.threshold) == row.positive ? 1 : 0;
  }
  EXPECT_GT(told, 255);
  EXPECT_TRUE(switcher_json(trained, 0.97, {})["routed"].is_null());
}

TEST_F(SwitcherFitsTest, WhatCannotBe) {
  for (SwitcherExample& example : examples) example.needs_thinking = false;
  EXPECT_NE(train().error().message.find("0 of 300"), std::string::npos);
}

TEST_F(SwitcherFitsTest, ReportsHaveTheFigures) {
  options.most_epochs = 5;
  const TrainedSwitcher trained = train().value();
  const auto figures = switcher_json(trained, options.keep, {{"seed", 0}});
  EXPECT_EQ(figures["auc"]["value"], trained.auc.value);
  EXPECT_EQ(figures["routed"]["curve"].back()["share"], 1);
  EXPECT_NE(switcher_page(trained, options.keep, {{"seed", 0}}).find("by a coin"),
            std::string::npos);
  EXPECT_NE(switcher_table(trained, options.keep).find("always reasoning"), std::string::npos);
}

TEST(NeedsThinking, ByTheMargin) {
  EXPECT_TRUE(needs_thinking({0.6, 0}, {0.5, 0}, 0.05));
  EXPECT_FALSE(needs_thinking({0.6, 0}, {0.5, 0}, 0.2));
  EXPECT_FALSE(needs_thinking({0.5, 0}, {0.5, 0}, 0));
}

}  // namespace
}  // namespace pith
