// A whole question with a pack's heads on a tiny random model: who decides, who writes,
// what the verifier sees.
#include <gtest/gtest.h>

#include <array>

#include "reason/self_consistency.h"
#include "reason/tiny_reasoner.h"
#include "support/tiny_pack.h"

namespace pith {
namespace {

using testing::random_head;
using testing::some_tokens;
using testing::TinyReasoner;

constexpr size_t kBoundary = 14;

struct PackReasoning : ::testing::Test {
  PackReasoning() {
    const ModelConfig& config = reasoner.engine->model().config();
    const auto width = static_cast<size_t>(config.width);
    switcher = {random_head(width, 8, 1), random_head(8, 1, 2)};
    verifier = {random_head(width, 1, 3), some_tokens(5, 9), 2};
    ThreadPool pool(1);
    const auto adapter =
        Adapter::load(*random_adapter(config, 4), config, AdapterPrecision::f32, pool);
    asked.adapter = {reasoner.engine->add_adapter(adapter.value()), kBoundary};
    asked.branches = 4;
    asked.budget_tokens = 40;
    asked.direct_budget_tokens = 9;
    asked.sampling.temperature = 1.0f;
    asked.sampling.seed = 7;
    asked.stop_when_decided = false;
    asked.direct_prompt = some_tokens(kBoundary, 1);
    asked.direct_prompt.push_back(3);
  }

  Result<SelfConsistencyResult> run() {
    DecodeObserver silent;
    return self_consistency(*reasoner.engine, reasoner.tokenizer, prompt, asked, silent);
  }

  void open_route(double threshold) { asked.route = {ThinkMode::automatic, &switcher, threshold}; }

  TinyReasoner reasoner;
  Switcher switcher;
  Verifier verifier;
  std::vector<TokenId> prompt = some_tokens(20, 1);
  SelfConsistencyOptions asked;
};

void expect_same_branches(const SelfConsistencyResult& a, const SelfConsistencyResult& b) {
  ASSERT_EQ(a.branches.size(), b.branches.size());
  for (size_t i = 0; i < a.branches.size(); ++i) {
    EXPECT_EQ(a.branches[i].text, b.branches[i].text);
    EXPECT_EQ(a.branches[i].mean_log_probability, b.branches[i].mean_log_probability);
    EXPECT_EQ(a.branches[i].verifier_score, b.branches[i].verifier_score);
  }
}

TEST_F(PackReasoning, TheSwitcherDecidesAsItWouldBeTold) {
  asked.route.mode = ThinkMode::on;
  const auto on = run();
  asked.route.mode = ThinkMode::off;
  const auto off = run();
  ASSERT_TRUE(on && off);
  EXPECT_TRUE(on->route.thinking);
  EXPECT_FALSE(off->route.thinking);
  EXPECT_FALSE(on->route.probability || off->route.probability);
  EXPECT_EQ(on->prompt_tokens, 20);
  EXPECT_EQ(off->prompt_tokens, 15);
  EXPECT_NE(on->branches[0].text, off->branches[0].text);
  const int32_t allowance =
      BranchPlan::answering(reasoner.tokenizer, 9, asked.kind, "").allowance_tokens();
  for (const BranchResult& branch : off->branches) EXPECT_LE(branch.tokens, 9 + allowance);

  open_route(0);
  const auto always = run();
  open_route(1);
  const auto never = run();
  ASSERT_TRUE(always && never);
  EXPECT_TRUE(always->route.thinking);
  EXPECT_FALSE(never->route.thinking);
  EXPECT_EQ(always->route.probability, never->route.probability);
  expect_same_branches(*always, *on);
  expect_same_branches(*never, *off);
}

TEST_F(PackReasoning, TheSwitcherReadsThePromptUpToTheBoundary) {
  const std::array<int32_t, 2> layers = {0, 1};
  // The hidden states of the base model, read in one step.
  const SequenceId sequence = reasoner.engine->create_sequence();
  std::vector<Row> rows;
  for (size_t i = 0; i < kBoundary; ++i) {
    rows.push_back({prompt[i], sequence, false, true, kNoAdapter, layers});
  }
  testing::must(reasoner.engine->step(rows));
  std::array<std::vector<float>, 2> pooled;
  for (size_t place = 0; place < layers.size(); ++place) {
    PromptPooler pooler(switcher.width());
    for (size_t i = 0; i < kBoundary; ++i) pooler.push(reasoner.engine->hidden(i, place));
    pooled[place] = pooler.pooled();
  }
  for (size_t place = 0; place < layers.size(); ++place) {
    switcher.layer = layers[place];
    open_route(0.5);
    const auto result = run();
    ASSERT_TRUE(result);
    EXPECT_EQ(*result->route.probability, switcher.probability(pooled[place]));
  }
}

TEST_F(PackReasoning, WithoutASwitcherItThinks) {
  asked.route.mode = ThinkMode::automatic;
  const auto result = run();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->route.thinking);
  EXPECT_FALSE(result->route.probability);
}

TEST_F(PackReasoning, APromptThatDecidesTooLateIsRefused) {
  open_route(0.5);
  asked.direct_prompt[3] ^= 1;
  EXPECT_EQ(run().error().code, ErrorCode::usage);
  asked.adapter.from = 0;
  EXPECT_EQ(run().error().code, ErrorCode::usage);
  asked.adapter.from = prompt.size();
  asked.direct_prompt = prompt;
  EXPECT_EQ(run().error().code, ErrorCode::usage);
}

TEST_F(PackReasoning, ScoresAreThoseOfAWholeReading) {
  asked.verifier = &verifier;
  verifier.reader = asked.adapter.adapter;
  const auto result = run();
  ASSERT_TRUE(result);
  Engine& engine = *reasoner.engine;
  for (const BranchResult& branch : result->branches) {
    // Forced closings are text of the branch too, so its tokens are not the samples alone:
    // only branches without one can be read again here.
    if (branch.tokens != static_cast<int32_t>(branch.samples.size())) continue;
    const SequenceId sequence = engine.create_sequence();
    std::vector<Row> rows;
    const auto add = [&](TokenId token, AdapterId adapter) {
      rows.push_back({token, sequence, false, true, adapter});
    };
    for (size_t i = 0; i < prompt.size(); ++i) add(prompt[i], asked.adapter.at(i));
    for (const SampledToken& sample : branch.samples) add(sample.token, asked.adapter.adapter);
    if (reasoner.tokenizer.ends_generation(branch.samples.back().token)) rows.pop_back();
    for (const TokenId token : verifier.prompt) add(token, verifier.reader);
    testing::must(engine.step(rows));
    std::vector<double> sum(verifier.head.inputs);
    for (size_t row = rows.size() - 2; row < rows.size(); ++row) {
      const auto hidden = engine.hidden(row);
      for (size_t c = 0; c < sum.size(); ++c) sum[c] += static_cast<double>(hidden[c]);
    }
    std::vector<float> mean;
    for (const double value : sum) mean.push_back(static_cast<float>(value / 2));
    EXPECT_EQ(branch.verifier_score, sigmoid(verifier.head.apply(mean)[0]));
    engine.release(sequence);
  }
  for (const BranchResult& branch : result->branches) ASSERT_TRUE(branch.verifier_score);
}

TEST_F(PackReasoning, AVoteByScoresWeighsThem) {
  asked.verifier = &verifier;
  asked.vote = VoteRule::verifier;
  const auto result = run();
  ASSERT_TRUE(result);
  ASSERT_FALSE(result->groups.empty());
  for (const AnswerGroup& group : result->groups) {
    double weight = 0;
    for (const size_t member : group.members) weight += *result->branches[member].verifier_score;
    EXPECT_DOUBLE_EQ(group.weight, weight);
  }
  asked.verifier = nullptr;
  EXPECT_EQ(run().error().code, ErrorCode::usage);
}

TEST_F(PackReasoning, PlacesStepsAndTheCacheChangeNothing) {
  asked.verifier = &verifier;
  open_route(0);
  const auto expected = run();
  ASSERT_TRUE(expected);
  for (const int32_t parallel : {1, 2, 3}) {
    asked.parallel = parallel;
    EngineOptions exact;
    exact.max_rows = 6;
    exact.kv_tokens = kv_tokens_needed(reasoner.tokenizer, 20, asked);
    TinyReasoner tight(exact, 2);
    ThreadPool pool(1);
    const ModelConfig& config = tight.engine->model().config();
    const auto adapter =
        Adapter::load(*random_adapter(config, 4), config, AdapterPrecision::f32, pool);
    EXPECT_EQ(tight.engine->add_adapter(adapter.value()), asked.adapter.adapter);
    const int64_t free_before = tight.engine->free_kv_tokens();
    DecodeObserver silent;
    const auto result = self_consistency(*tight.engine, tight.tokenizer, prompt, asked, silent);
    ASSERT_TRUE(result) << result.error().message;
    expect_same_branches(*result, *expected);
    EXPECT_EQ(tight.engine->free_kv_tokens(), free_before);
  }
}

// The question and the branches are not read again for their scores.
TEST_F(PackReasoning, AScoreCostsThePromptOfTheVerifier) {
  const auto rows_read = [&] {
    const int64_t before = reasoner.engine->rows_processed();
    EXPECT_TRUE(run());
    return reasoner.engine->rows_processed() - before;
  };
  const int64_t plain = rows_read();
  asked.verifier = &verifier;
  const int64_t scored = rows_read();
  EXPECT_GE(scored - plain, 4 * 5);
  EXPECT_LE(scored - plain, 4 * verifier.most_tokens());
}

TEST_F(PackReasoning, BranchesThatWereStoppedHaveNoScore) {
  asked.verifier = &verifier;
  struct : DecodeObserver {
    bool cancelled() override { return ++steps > 5; }
    int steps = 0;
  } impatient;
  const auto result =
      self_consistency(*reasoner.engine, reasoner.tokenizer, prompt, asked, impatient);
  ASSERT_TRUE(result);
  for (const BranchResult& branch : result->branches) EXPECT_FALSE(branch.verifier_score);
}

}  // namespace
}  // namespace pith
