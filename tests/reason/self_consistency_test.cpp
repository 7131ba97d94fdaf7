// The loop on a tiny random model: budgets, equality to the bit, every early end.
#include "reason/self_consistency.h"

#include <gtest/gtest.h>

#include <cmath>

#include "reason/tiny_reasoner.h"

namespace pith {
namespace {

using testing::some_tokens;
using testing::TinyReasoner;

SelfConsistencyOptions options(int32_t branches, int32_t budget) {
  SelfConsistencyOptions options;
  options.branches = branches;
  options.budget_tokens = budget;
  options.sampling.temperature = 1.0f;
  options.sampling.seed = 7;
  options.stop_when_decided = false;
  return options;
}

Result<SelfConsistencyResult> run(TinyReasoner& reasoner, const SelfConsistencyOptions& options,
                                  size_t prompt_tokens = 20) {
  DecodeObserver silent;
  return self_consistency(*reasoner.engine, reasoner.tokenizer, some_tokens(prompt_tokens, 1),
                          options, silent);
}

void expect_same(const BranchResult& a, const BranchResult& b) {
  ASSERT_EQ(a.samples.size(), b.samples.size());
  for (size_t i = 0; i < a.samples.size(); ++i) {
    EXPECT_EQ(a.samples[i].token, b.samples[i].token) << i;
    EXPECT_EQ(a.samples[i].log_probability, b.samples[i].log_probability) << i;
  }
  EXPECT_EQ(a.text, b.text);
  EXPECT_EQ(a.answer, b.answer);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.finish_reason, b.finish_reason);
  EXPECT_EQ(a.mean_log_probability, b.mean_log_probability);
}

TEST(SelfConsistency, EveryBranchAnswersWithinItsBudget) {
  TinyReasoner reasoner;
  const int64_t free_before = reasoner.engine->free_kv_tokens();
  for (const int32_t budget : {1, 2, 63, 100}) {
    for (const std::string thinking_end : {"", "</think>"}) {
      auto asked = options(8, budget);
      asked.thinking_end = thinking_end;
      const BranchPlan plan =
          BranchPlan::answering(reasoner.tokenizer, budget, asked.kind, thinking_end);
      const auto result = run(reasoner, asked);
      ASSERT_TRUE(result) << result.error().message;
      ASSERT_EQ(result->branches.size(), 8u);
      int32_t tokens = 0;
      for (const BranchResult& branch : result->branches) {
        EXPECT_LE(branch.tokens, budget + plan.allowance_tokens());
        EXPECT_FALSE(branch.answer.empty());
        EXPECT_LE(branch.mean_log_probability, 0);
        tokens += branch.tokens;
      }
      EXPECT_EQ(result->completion_tokens, tokens);
      EXPECT_EQ(result->prompt_tokens, 20);
      EXPECT_FALSE(result->groups.empty());
      EXPECT_GT(result->confidence, 0);
      EXPECT_FALSE(result->cancelled());
      EXPECT_EQ(reasoner.engine->free_kv_tokens(), free_before);
    }
  }
}

TEST(SelfConsistency, BranchesEqualSingleRunsToTheBit) {
  TinyReasoner together(TinyReasoner::roomy(), 2);
  const auto all = run(together, options(6, 90));
  ASSERT_TRUE(all);
  for (uint64_t i = 0; i < all->branches.size(); ++i) {
    EngineOptions small_steps = TinyReasoner::roomy();
    small_steps.max_rows = 5;
    TinyReasoner alone(small_steps, 1);
    auto single = options(1, 90);
    single.first_stream = i;
    const auto one = run(alone, single);
    ASSERT_TRUE(one);
    expect_same(all->branches[i], one->branches[0]);
  }
  // Branches are no copies of each other.
  EXPECT_NE(all->branches[0].text, all->branches[1].text);
}

TEST(SelfConsistency, TheSeedRepeatsAndMatters) {
  TinyReasoner reasoner;
  const auto first = run(reasoner, options(3, 40));
  const auto second = run(reasoner, options(3, 40));
  for (size_t i = 0; i < 3; ++i) expect_same(first->branches[i], second->branches[i]);
  auto other = options(3, 40);
  other.sampling.seed = 8;
  EXPECT_NE(run(reasoner, other)->branches[0].text, first->branches[0].text);
}

TEST(SelfConsistency, WithoutTemperatureAllBranchesAgree) {
  TinyReasoner reasoner;
  auto greedy = options(4, 30);
  greedy.sampling.temperature = 0;
  const auto result = run(reasoner, greedy);
  ASSERT_TRUE(result);
  ASSERT_EQ(result->groups.size(), 1u);
  EXPECT_EQ(result->confidence, 1.0);
  EXPECT_EQ(result->best_branch, 0u);
}

TEST(SelfConsistency, TheContextCutsTheBudget) {
  EngineOptions narrow = TinyReasoner::roomy();
  narrow.context_tokens = 200;
  TinyReasoner reasoner(narrow);
  const auto result = run(reasoner, options(4, 1000), 60);
  ASSERT_TRUE(result) << result.error().message;
  for (const BranchResult& branch : result->branches) {
    EXPECT_LE(60 + branch.tokens, 200);
    EXPECT_FALSE(branch.answer.empty());
    EXPECT_NE(branch.finish_reason, FinishReason::budget);
  }
}

TEST(SelfConsistency, APromptWithoutRoomForAnAnswerIsRefused) {
  EngineOptions narrow = TinyReasoner::roomy();
  narrow.context_tokens = 128;
  TinyReasoner reasoner(narrow);
  const auto result = run(reasoner, options(4, 10), 100);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::exhausted);
  EXPECT_NE(result.error().message.find("100 tokens"), std::string::npos) << result.error().message;
}

TEST(SelfConsistency, ASmallCacheRunsFewerBranchesAtOnce) {
  EngineOptions tight = TinyReasoner::roomy();
  tight.kv_tokens = 64 * 5;  // the prompt's block, and not enough for two branches
  TinyReasoner reasoner(tight);
  const int64_t free_before = reasoner.engine->free_kv_tokens();
  const auto result = run(reasoner, options(8, 30));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(reasoner.engine->free_kv_tokens(), free_before);
  TinyReasoner roomy;
  const auto expected = run(roomy, options(8, 30));
  for (size_t i = 0; i < 8; ++i) expect_same(result->branches[i], expected->branches[i]);
}

TEST(SelfConsistency, ABranchThatIsTooLongForTheCacheEndsWithIt) {
  EngineOptions tight = TinyReasoner::roomy();
  tight.kv_tokens = 64;
  TinyReasoner reasoner(tight);
  const auto result = run(reasoner, options(3, 200));
  ASSERT_TRUE(result) << result.error().message;
  int cut = 0;
  for (const BranchResult& branch : result->branches) {
    if (branch.finish_reason == FinishReason::context) ++cut;
  }
  EXPECT_GT(cut, 0);
  EXPECT_EQ(reasoner.engine->free_kv_tokens(), 64);
}

TEST(SelfConsistency, KvTokensNeededAreEnoughAndNotWasteful) {
  TinyReasoner scratch;
  for (const int32_t prompt : {1, 63, 64, 65, 100}) {
    const auto asked = options(5, 70);
    EngineOptions exact = TinyReasoner::roomy();
    exact.kv_tokens = kv_tokens_needed(scratch.tokenizer, prompt, asked);
    EXPECT_LE(exact.kv_tokens, prompt + 64 + 5 * (70 + 48 + 64 + 64 + 64));
    TinyReasoner reasoner(exact);
    const auto result = run(reasoner, asked, static_cast<size_t>(prompt));
    ASSERT_TRUE(result);
    for (const auto& branch : result->branches) {
      EXPECT_NE(branch.finish_reason, FinishReason::context);
    }
  }
}

// Cancels once the observer has seen so many tokens.
struct CancelAfter : DecodeObserver {
  explicit CancelAfter(int count) : left(count) {}
  void on_token(size_t, const Branch&, std::string_view text) override {
    --left;
    seen += text;
  }
  void on_finish(size_t, const Branch& branch, std::optional<double>) override {
    ++finished;
    EXPECT_TRUE(branch.finished());
  }
  bool cancelled() override { return left <= 0; }
  int left;
  int finished = 0;
  std::string seen;
};

TEST(SelfConsistency, CancelWhileDecodingKeepsWhatIsThere) {
  TinyReasoner reasoner;
  const int64_t free_before = reasoner.engine->free_kv_tokens();
  CancelAfter observer(4 * 10);
  const auto result = self_consistency(*reasoner.engine, reasoner.tokenizer, some_tokens(20, 1),
                                       options(4, 1000), observer);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->cancelled());
  EXPECT_EQ(observer.finished, 4);
  for (const BranchResult& branch : result->branches) {
    EXPECT_LE(branch.samples.size(), 11u);
    EXPECT_EQ(branch.finish_reason, FinishReason::cancelled);
  }
  EXPECT_EQ(reasoner.engine->free_kv_tokens(), free_before);
}

TEST(SelfConsistency, CancelWhileReadingThePromptIsAnError) {
  EngineOptions small_steps = TinyReasoner::roomy();
  small_steps.max_rows = 8;
  TinyReasoner reasoner(small_steps);
  const int64_t free_before = reasoner.engine->free_kv_tokens();
  struct : DecodeObserver {
    void on_prefill(int32_t done, int32_t total) override {
      EXPECT_EQ(total, 20);
      read = done;
    }
    bool cancelled() override { return read >= 16; }
    int32_t read = 0;
  } observer;
  const auto result = self_consistency(*reasoner.engine, reasoner.tokenizer, some_tokens(20, 1),
                                       options(4, 10), observer);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::cancelled);
  EXPECT_EQ(observer.read, 16);
  EXPECT_EQ(reasoner.engine->free_kv_tokens(), free_before);
}

TEST(SelfConsistency, ObserversSeeAllOfTheText) {
  TinyReasoner reasoner;
  CancelAfter observer(1 << 30);
  const auto result = self_consistency(*reasoner.engine, reasoner.tokenizer, some_tokens(20, 1),
                                       options(1, 50), observer);
  ASSERT_TRUE(result);
  EXPECT_EQ(observer.seen, result->branches[0].text);
}

TEST(SelfConsistency, PlacesChangeNoBranchAndNeedLessCache) {
  TinyReasoner roomy;
  const auto all = run(roomy, options(7, 40));
  ASSERT_TRUE(all);
  for (const int32_t parallel : {1, 2, 3, 7, 20}) {
    auto asked = options(7, 40);
    asked.parallel = parallel;
    EngineOptions exact = TinyReasoner::roomy();
    exact.kv_tokens = kv_tokens_needed(roomy.tokenizer, 20, asked);
    TinyReasoner reasoner(exact);
    const int64_t free_before = reasoner.engine->free_kv_tokens();
    const auto result = run(reasoner, asked);
    ASSERT_TRUE(result) << result.error().message;
    ASSERT_EQ(result->branches.size(), 7u);
    for (size_t i = 0; i < 7; ++i) expect_same(result->branches[i], all->branches[i]);
    EXPECT_EQ(result->groups.size(), all->groups.size());
    EXPECT_EQ(reasoner.engine->free_kv_tokens(), free_before);
  }
  auto few = options(64, 40);
  few.parallel = 2;
  EXPECT_EQ(kv_tokens_needed(roomy.tokenizer, 20, few),
            kv_tokens_needed(roomy.tokenizer, 20, options(2, 40)));
}

// Every branch says the same, so three of five settle it.
TEST(SelfConsistency, ADecidedVoteEndsTheQuestion) {
  TinyReasoner reasoner;
  auto asked = options(5, 30);
  asked.sampling.temperature = 0;
  asked.parallel = 1;
  const auto all = run(reasoner, asked);
  asked.stop_when_decided = true;
  const auto early = run(reasoner, asked);
  ASSERT_TRUE(all && early);
  EXPECT_EQ(all->saved_tokens, 0);
  EXPECT_EQ(early->groups[0].answer, all->groups[0].answer);
  EXPECT_EQ(early->groups[0].members, (std::vector<size_t>{0, 1, 2}));
  for (size_t i = 0; i < 3; ++i) expect_same(early->branches[i], all->branches[i]);
  for (size_t i = 3; i < 5; ++i) {
    EXPECT_EQ(early->branches[i].finish_reason, FinishReason::decided);
    EXPECT_FALSE(early->branches[i].started());
  }
  EXPECT_EQ(early->saved_tokens, 2 * all->branches[0].tokens);
  EXPECT_EQ(early->completion_tokens + early->saved_tokens, all->completion_tokens);
}

// One vote makes 0.75, two 0.875, three 0.9375, four 0.96875.
TEST(SelfConsistency, AProbableLeaderEndsTheQuestionWhenAsked) {
  TinyReasoner reasoner;
  auto asked = options(32, 20);
  asked.sampling.temperature = 0;
  asked.parallel = 1;
  for (const auto& [threshold, votes] : {std::pair{0.75, 1u}, {0.9, 3u}, {0.95, 4u}}) {
    asked.stop_at = threshold;
    const auto result = run(reasoner, asked);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->groups[0].members.size(), votes) << threshold;
  }
}

// A branch that runs while the vote is decided is the beginning of what it would be, says
// so, and does not vote.
TEST(SelfConsistency, BranchesAtWorkEndWithTheVote) {
  TinyReasoner reasoner;
  int stopped_at_work = 0;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    auto asked = options(6, 60);
    asked.sampling.seed = seed;
    asked.kind = AnswerKind::yes_no;
    const auto all = run(reasoner, asked);
    asked.stop_at = 0.7;
    const auto early = run(reasoner, asked);
    ASSERT_TRUE(all && early);
    int64_t voted = 0;
    for (size_t i = 0; i < 6; ++i) {
      const BranchResult& branch = early->branches[i];
      if (branch.finish_reason != FinishReason::decided) {
        expect_same(branch, all->branches[i]);
        ++voted;
        continue;
      }
      stopped_at_work += branch.started() ? 1 : 0;
      EXPECT_TRUE(branch.answer.empty());
      // Texts may differ: a character that was cut in two is replaced at the end.
      const auto& whole = all->branches[i].samples;
      ASSERT_LE(branch.samples.size(), whole.size());
      for (size_t t = 0; t < branch.samples.size(); ++t) {
        EXPECT_EQ(branch.samples[t].token, whole[t].token);
      }
    }
    int64_t members = 0;
    for (const AnswerGroup& group : early->groups) {
      members += static_cast<int64_t>(group.members.size());
    }
    EXPECT_LE(members, voted);
  }
  EXPECT_GT(stopped_at_work, 0);
}

TEST(SelfConsistency, VotesMayWeighConfidence) {
  TinyReasoner reasoner;
  auto asked = options(6, 80);
  asked.vote = VoteRule::confidence;
  const auto result = run(reasoner, asked);
  ASSERT_TRUE(result);
  double weight = 0;
  for (const BranchResult& branch : result->branches) {
    EXPECT_LE(branch.confidence.worst_window, branch.confidence.mean_window);
    weight += branch.confidence.weight();
  }
  double grouped = 0;
  for (const AnswerGroup& group : result->groups) grouped += group.weight;
  EXPECT_NEAR(grouped, weight, 1e-12);
  EXPECT_DOUBLE_EQ(result->confidence, result->groups[0].weight_share);
}

TEST(SelfConsistency, ACalibrationTurnsAgreementIntoProbability) {
  TinyReasoner reasoner;
  auto asked = options(4, 20);
  asked.sampling.temperature = 0;
  EXPECT_EQ(run(reasoner, asked)->confidence_kind, ConfidenceKind::agreement);
  asked.calibration = Calibration::from_points({{0, 0.1}, {1, 0.7}}).value();
  const auto result = run(reasoner, asked);
  EXPECT_EQ(result->confidence_kind, ConfidenceKind::calibrated);
  EXPECT_NEAR(result->confidence, 0.1 + 0.6 * 5 / 6, 1e-12);
}

TEST(SelfConsistency, OptionsOutOfRangeAreUsageErrors) {
  TinyReasoner reasoner;
  for (const auto& bad : {options(0, 10), options(-1, 10), options(257, 10), options(1000, 10),
                          options(8, 0), options(8, -5)}) {
    const auto result = run(reasoner, bad);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::usage);
  }
  EXPECT_FALSE(run(reasoner, options(1, 10), 0));
  for (const double threshold : {0.5, 1.0, -1.0, std::nan("")}) {
    auto bad = options(2, 10);
    bad.stop_at = threshold;
    ASSERT_FALSE(run(reasoner, bad));
  }
}

}  // namespace
}  // namespace pith
