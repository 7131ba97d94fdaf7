// Verifiers from features that are made up: what can be learnt is known.
#include "heads/verifier_training.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "heads/normaliser.h"
#include "heads/verifier_report.h"

namespace pith {
namespace {

constexpr size_t kFeatures = 6;

double verifier_noise(uint64_t stream, uint64_t i) { return 2 * random_unit(11, stream, i) - 1; }

// Questions with 4 samples of which each answers 1 (right) or 0. In "good" features the first
// number tells them apart, but for noise; "bad" ones are noise.
class VerifierFits : public ::testing::Test {
 protected:
  VerifierFits() {
    features = {kFeatures, 0, {{"bad", {}}, {"good", {}}}};
    for (size_t q = 0; q < 60; ++q) add_question(q);
    features.rows = set.samples;
    options.penalties = {1, 0.1, 0.01};
    options.branches = {2, 4};
  }

  void add_question(size_t q) {
    SampledPrompt prompt;
    prompt.prompt = {{static_cast<TokenId>(q), 1}, 1};
    prompt.question = q;
    for (size_t s = 0; s < 4; ++s) {
      const uint64_t i = 4 * q + s;
      HeadSample sample;
      sample.correct = verifier_noise(0, i) > 0;
      sample.answer = sample.correct ? "1" : "0";
      sample.completion = {1, 2, 3};
      prompt.samples.push_back(sample);
      for (Feature& kind : features.kinds) {
        for (size_t c = 0; c < kFeatures; ++c) {
          double value = verifier_noise(1 + c, i);
          if (c == 0 && kind.name == "good") value += sample.correct ? 1 : -1;
          kind.values.push_back(static_cast<float>(value + 5));
        }
      }
      ++set.samples;
    }
    set.prompts.push_back(std::move(prompt));
    set.questions = q + 1;
  }

  Result<TrainedVerifier> train() {
    ThreadPool pool(1);
    return train_verifier(set, features, options, pool, [](double, double) { return true; });
  }

  SampleSet set;
  Features features;
  VerifierTraining options;
};

TEST_F(VerifierFits, TakesTheFeaturesThatTell) {
  const TrainedVerifier trained = train().value();
  EXPECT_EQ(trained.features, "good");
  const ScoreVariant& good = trained.variants[trained.chosen];
  EXPECT_GT(good.auc.low, 0.9);
  EXPECT_GT(good.auc_within.low, 0.9);
  EXPECT_NEAR(trained.variants[0].auc.value, 0.5, 0.1);
  EXPECT_EQ(trained.variants[2].name, "good and vote share");
  EXPECT_FALSE(trained.variants[2].in_pack);
  // Better than the count where the count is a coin.
  ASSERT_EQ(trained.votes.size(), 2u);
  EXPECT_GT(trained.votes[1].gain.low, 0.05);
  EXPECT_TRUE(trained.calibration);
  // The head tells right from wrong too.
  const FeatureMatrix matrix{features.of("good"), kFeatures};
  int told = 0;
  for (size_t q = 0; q < 60; ++q) {
    for (size_t s = 0; s < 4; ++s) {
      const bool says = trained.head.apply(matrix.row(4 * q + s))[0] > 0;
      told += says == set.prompts[q].samples[s].correct ? 1 : 0;
    }
  }
  EXPECT_GT(told, 220);
}

TEST_F(VerifierFits, NoQuestionIsJudgedByAFitThatSawIt) {
  // Features that name the question and nothing else: what is learnt of a question would tell
  // all about its samples, if it were seen.
  for (size_t q = 0; q < 60; ++q) {
    for (HeadSample& sample : set.prompts[q].samples) {
      sample.correct = verifier_noise(50, q) > 0;
      sample.answer = sample.correct ? "1" : "0";
    }
  }
  features = {60, set.samples, {{"identity", std::vector<float>(set.samples * 60)}}};
  for (size_t row = 0; row < set.samples; ++row) features.kinds[0].values[row * 60 + row / 4] = 1;
  options.penalties = {0.001};
  const TrainedVerifier trained = train().value();
  // Without a leak every question looks the same to the other folds' fit: its scores are those
  // of its fold's bias, however right it is.
  const std::vector<double>& scores = trained.variants[0].scores;
  std::map<double, int> values;
  for (const double score : scores) ++values[score];
  EXPECT_LE(values.size(), 5u);
  // The head, which saw all, knows them.
  const FeatureMatrix matrix{features.of("identity"), 60};
  for (size_t q = 0; q < 60; ++q) {
    EXPECT_EQ(trained.head.apply(matrix.row(4 * q))[0] > 0, set.prompts[q].samples[0].correct);
  }
}

TEST_F(VerifierFits, SamplesWithoutAnswersTeachNothing) {
  const TrainedVerifier before = train().value();
  // One more in each question, with features that would mislead.
  Features more = features;
  for (Feature& kind : more.kinds) {
    std::vector<float> wider;
    for (size_t q = 0; q < 60; ++q) {
      const auto begin = kind.values.begin() + static_cast<std::ptrdiff_t>(q * 4 * kFeatures);
      wider.insert(wider.end(), begin, begin + 4 * kFeatures);
      wider.insert(wider.end(), kFeatures, 100.0f);
    }
    kind.values = std::move(wider);
  }
  for (SampledPrompt& prompt : set.prompts) prompt.samples.push_back({{1, 2}, "", false, true, 0});
  set.samples += 60;
  more.rows = set.samples;
  features = std::move(more);
  const TrainedVerifier after = train().value();
  EXPECT_EQ(after.head.weight, before.head.weight);
  EXPECT_EQ(after.rows, before.rows);
}

TEST_F(VerifierFits, WeightsOfClasses) {
  options.weights = SampleWeights::samples;
  const TrainedVerifier plain = train().value();
  options.weights = SampleWeights::classes;
  EXPECT_NE(train()->head.weight, plain.head.weight);
}

TEST_F(VerifierFits, WhatCannotBe) {
  ThreadPool pool(1);
  const auto stopped =
      train_verifier(set, features, options, pool, [](double, double) { return false; });
  EXPECT_EQ(stopped.error().code, ErrorCode::cancelled);
  SampleSet right = set;
  for (SampledPrompt& prompt : right.prompts) {
    for (HeadSample& sample : prompt.samples) sample.correct = true;
  }
  const auto one_class =
      train_verifier(right, features, options, pool, [](double, double) { return true; });
  EXPECT_NE(one_class.error().message.find("240 are right"), std::string::npos);
  SampleSet single = set;
  for (SampledPrompt& prompt : single.prompts) prompt.question = 0;
  single.questions = 1;
  EXPECT_NE(train_verifier(single, features, options, pool, [](double, double) { return true; })
                .error()
                .message.find("too few"),
            std::string::npos);
}

TEST_F(VerifierFits, ReportsHaveTheFigures) {
  const TrainedVerifier trained = train().value();
  const auto figures = verifier_json(trained, set, {{"seed", 0}});
  EXPECT_EQ(figures["variants"].size(), 6u);
  EXPECT_EQ(figures["votes"][1]["branches"], 4);
  EXPECT_EQ(figures["auc"]["value"], trained.variants[1].auc.value);
  const std::string page = verifier_page(trained, set, {{"seed", 0}});
  EXPECT_NE(page.find("good (taken)"), std::string::npos);
  EXPECT_NE(page.find("<svg"), std::string::npos);
  EXPECT_NE(verifier_table(trained).find("votes of 4"), std::string::npos);
}

}  // namespace
}  // namespace pith
