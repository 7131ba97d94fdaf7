// The rules by which a branch stops thinking and answers, with tokens made by hand.
#include "reason/branch.h"

#include <gtest/gtest.h>

#include "reason/tiny_reasoner.h"

namespace pith {
namespace {

class BranchTest : public ::testing::Test {
 protected:
  BranchTest() : tokenizer_(testing::tiny_tokenizer(tiny_spec("qwen2"))) {}

  BranchPlan plan(int32_t budget, std::string_view thinking_end = "",
                  AnswerKind kind = AnswerKind::number) const {
    return BranchPlan::answering(tokenizer_, budget, kind, thinking_end);
  }

  // Samples the text's tokens one after the other until the branch is finished.
  // Returns what the branch passed on.
  std::string write(Branch& branch, std::string_view text) const {
    std::string seen;
    for (const TokenId id : tokenizer_.encode(text, true)) {
      if (branch.finished()) break;
      seen += branch.accept({id, -0.5f});
    }
    return seen;
  }

  Tokenizer tokenizer_;
};

TEST_F(BranchTest, ATurnThatAnswersEndsByItself) {
  const BranchPlan plan = this->plan(1000);
  Branch branch(tokenizer_, plan, 3);
  EXPECT_EQ(branch.stream(), 3u);
  EXPECT_EQ(write(branch, "9 * 2 is \\boxed{18}.<|im_end|>"), "9 * 2 is \\boxed{18}.");
  EXPECT_TRUE(branch.finished());
  EXPECT_TRUE(branch.pending().empty());
  EXPECT_EQ(branch.finish_reason(), FinishReason::stop);
  EXPECT_EQ(branch.answer(), "18");
  EXPECT_EQ(branch.read_tokens(), 0);
  EXPECT_DOUBLE_EQ(branch.mean_log_probability(), -0.5);
}

TEST_F(BranchTest, EachTokenIsReadBeforeTheNext) {
  const BranchPlan plan = this->plan(1000);
  Branch branch(tokenizer_, plan, 0);
  const TokenId id = tokenizer_.encode("x", false)[0];
  branch.accept({id, 0});
  ASSERT_EQ(branch.pending().size(), 1u);
  EXPECT_EQ(branch.pending()[0], id);
}

TEST_F(BranchTest, TheBudgetEndsTheThinkingAndAsksForTheAnswer) {
  const std::string thought = "Let me think about this";
  const BranchPlan plan =
      this->plan(static_cast<int32_t>(tokenizer_.encode(thought, false).size()));
  Branch branch(tokenizer_, plan, 0);
  EXPECT_EQ(write(branch, thought), thought + plan.closing);
  ASSERT_FALSE(branch.finished());
  EXPECT_EQ(branch.pending().size(), 1 + plan.closing_ids.size());
  EXPECT_EQ(tokenizer_.decode(branch.pending().subspan(1)), plan.closing);
  EXPECT_TRUE(branch.needs_text());
  write(branch, "18} and more");
  EXPECT_TRUE(branch.finished());
  EXPECT_EQ(branch.finish_reason(), FinishReason::budget);
  EXPECT_EQ(branch.answer(), "18");
  EXPECT_EQ(branch.text(), thought + plan.closing + "18}");
}

TEST_F(BranchTest, ABoxThatTheBudgetCutsOpenIsAskedForAgain) {
  const std::string thought = "so it is \\boxed{1";
  const BranchPlan plan =
      this->plan(static_cast<int32_t>(tokenizer_.encode(thought, false).size()));
  Branch branch(tokenizer_, plan, 0);
  write(branch, thought + "18}");
  EXPECT_EQ(branch.answer(), "18");
}

TEST_F(BranchTest, AnAnswerGivenBeforeTheLimitStands) {
  const std::string thought = "it is \\boxed{18}. Let me check";
  const BranchPlan plan =
      this->plan(static_cast<int32_t>(tokenizer_.encode(thought, false).size()));
  Branch branch(tokenizer_, plan, 0);
  write(branch, thought);
  EXPECT_TRUE(branch.finished());
  EXPECT_EQ(branch.finish_reason(), FinishReason::budget);
  EXPECT_EQ(branch.answer(), "18");
  EXPECT_EQ(branch.read_tokens(), 0);
}

TEST_F(BranchTest, ATurnWithoutAnAnswerIsAskedForOne) {
  const BranchPlan plan = this->plan(1000);
  Branch branch(tokenizer_, plan, 0);
  write(branch, "The capital of France is Paris.<|im_end|>");
  ASSERT_FALSE(branch.finished());
  EXPECT_EQ(branch.pending().size(), plan.closing_ids.size());  // the end of the turn is not read
  write(branch, "Paris}");
  EXPECT_EQ(branch.answer(), "Paris");
  EXPECT_EQ(branch.finish_reason(), FinishReason::stop);
}

TEST_F(BranchTest, ThoughtsAreClosedFirst) {
  const std::string thought = "<think>\nhm, 7";
  const BranchPlan plan =
      this->plan(static_cast<int32_t>(tokenizer_.encode(thought, true).size()), "</think>");
  Branch branch(tokenizer_, plan, 0);
  write(branch, thought);
  EXPECT_EQ(branch.text(), thought + "\n</think>" + plan.closing);
  EXPECT_EQ(branch.pending().size(), 1 + plan.closing_from_thought_ids.size());
  write(branch, "18}");
  EXPECT_EQ(branch.answer(), "18");
}

TEST_F(BranchTest, WhatStandsInThoughtsIsNoAnswerWhereOneFollows) {
  const BranchPlan plan = this->plan(1000, "</think>");
  Branch branch(tokenizer_, plan, 0);
  write(branch, "<think>\\boxed{3}? No.\n</think>\n\nThe answer is 18.<|im_end|>");
  EXPECT_EQ(branch.answer(), "18");
}

TEST_F(BranchTest, ATurnThatEndsInAThoughtIsAskedForAnAnswer) {
  const BranchPlan plan = this->plan(1000, "</think>");
  Branch branch(tokenizer_, plan, 0);
  write(branch, "<think>it is 3<|im_end|>18}");
  EXPECT_EQ(branch.answer(), "18");
}

TEST_F(BranchTest, AForcedAnswerTakesBracesAndEndsInTime) {
  const BranchPlan plan = this->plan(1);
  Branch nested(tokenizer_, plan, 0);
  write(nested, "x\\frac{1}{2}} more");
  EXPECT_EQ(nested.answer(), "\\frac{1}{2}");

  Branch escaped(tokenizer_, plan, 0);
  write(escaped, "x\\{1, 2\\}} more");
  EXPECT_EQ(escaped.answer(), "\\{1, 2\\}");

  Branch endless(tokenizer_, plan, 0);
  write(endless, "x" + std::string(500, '{'));
  EXPECT_TRUE(endless.finished());
  EXPECT_LE(endless.sampled_tokens(), 1 + kForcedAnswerTokens);
  EXPECT_FALSE(endless.answer().empty());
}

TEST_F(BranchTest, AForcedAnswerIsNeverEmpty) {
  const BranchPlan plan = this->plan(1);
  Branch closed(tokenizer_, plan, 0);
  write(closed, "x}");
  EXPECT_TRUE(closed.finished());
  EXPECT_EQ(closed.answer(), "}");

  Branch blank(tokenizer_, plan, 0);
  write(blank, "x" + std::string(100, ' '));
  EXPECT_TRUE(blank.finished());
  EXPECT_FALSE(blank.answer().empty());
}

TEST_F(BranchTest, UnfinishedCharactersBecomeReplacementCharacters) {
  const BranchPlan plan = this->plan(2);
  Branch branch(tokenizer_, plan, 0);
  EXPECT_EQ(write(branch, "a\xe2"), "a\xef\xbf\xbd" + plan.closing);
}

TEST_F(BranchTest, StopKeepsWhatIsThere) {
  const BranchPlan plan = this->plan(1000);
  Branch branch(tokenizer_, plan, 0);
  write(branch, "so 5\xe2");
  EXPECT_EQ(branch.stop(FinishReason::cancelled), "\xef\xbf\xbd");
  EXPECT_TRUE(branch.finished());
  EXPECT_TRUE(branch.pending().empty());
  EXPECT_EQ(branch.finish_reason(), FinishReason::cancelled);
  EXPECT_EQ(branch.answer(), "5");
  EXPECT_EQ(branch.stop(FinishReason::context), "");
  EXPECT_EQ(branch.finish_reason(), FinishReason::cancelled);
}

TEST_F(BranchTest, ABranchThatThinksCanBeMadeToAnswerNow) {
  const BranchPlan plan = this->plan(1000, "</think>");
  Branch branch(tokenizer_, plan, 0);
  write(branch, "hm, 7");
  EXPECT_EQ(branch.answer_now(), plan.closing_from_thought);
  ASSERT_FALSE(branch.finished());
  EXPECT_TRUE(branch.answering());
  EXPECT_EQ(branch.pending().size(), 1 + plan.closing_from_thought_ids.size());
  EXPECT_EQ(branch.answer_now(), "");  // it does already
  EXPECT_EQ(branch.pending().size(), 1 + plan.closing_from_thought_ids.size());
  write(branch, "18}");
  EXPECT_TRUE(branch.finished());
  EXPECT_EQ(branch.finish_reason(), FinishReason::deadline);
  EXPECT_EQ(finish_reason_name(branch.finish_reason()), "deadline");
  EXPECT_EQ(branch.answer(), "18");
}

TEST_F(BranchTest, AClosingWithNothingBehindItIsNoAnswer) {
  const BranchPlan plan = this->plan(1000);
  for (const std::string said : {"", "5"}) {
    Branch branch(tokenizer_, plan, 0);
    write(branch, "So " + said);
    branch.answer_now();
    EXPECT_EQ(branch.answer(), said);
    branch.stop(FinishReason::deadline);
    EXPECT_EQ(branch.answer(), said);
  }
}

TEST_F(BranchTest, ABranchThatHasBoxedItsAnswerEndsWhenItMustAnswerNow) {
  const BranchPlan plan = this->plan(1000);
  Branch branch(tokenizer_, plan, 0);
  write(branch, "it is \\boxed{18}. Let me check\xe2");
  EXPECT_EQ(branch.answer_now(), "\xef\xbf\xbd");
  EXPECT_TRUE(branch.finished());
  EXPECT_TRUE(branch.pending().empty());
  EXPECT_EQ(branch.finish_reason(), FinishReason::deadline);
  EXPECT_EQ(branch.answer(), "18");
}

TEST_F(BranchTest, ABranchThatAnswersOrHasAnsweredGoesItsWay) {
  const BranchPlan plan = this->plan(1);
  Branch branch(tokenizer_, plan, 0);
  write(branch, "x1");
  ASSERT_TRUE(branch.answering());
  EXPECT_EQ(branch.answer_now(), "");
  write(branch, "8}");
  EXPECT_EQ(branch.answer_now(), "");
  EXPECT_EQ(branch.finish_reason(), FinishReason::budget);
  EXPECT_FALSE(branch.answering());
  EXPECT_EQ(branch.answer(), "18");
}

TEST_F(BranchTest, TheFirstSentenceThatEndsInTheLastPartIsTheLimit) {
  const std::string early = "One sentence. ";
  const std::string thought = "And here is another one that ends.";
  const auto count = [&](const std::string& text) {
    return static_cast<int32_t>(tokenizer_.encode(text, false).size());
  };
  // The last part begins behind `early` and reaches beyond `thought`.
  const int32_t budget = count(early + thought) + 4;
  BranchPlan plan = this->plan(budget);
  const int32_t landing = plan.landing_tokens();
  ASSERT_GE(landing, 5);
  ASSERT_LT(landing, count(thought));
  Branch branch(tokenizer_, plan, 0);
  EXPECT_EQ(write(branch, early + thought + "18}"), early + thought + plan.closing + "18}");
  EXPECT_EQ(branch.finish_reason(), FinishReason::budget);
  EXPECT_EQ(branch.answer(), "18");
}

TEST_F(BranchTest, ALineThatHasEndedNeedsNoLineBreaksBeforeTheClosing) {
  const std::string thought = "And here is a line that ends, 1 + 2 + 3 + 4\n";
  const BranchPlan plan =
      this->plan(static_cast<int32_t>(tokenizer_.encode(thought, false).size()) + 2);
  Branch branch(tokenizer_, plan, 0);
  write(branch, thought);
  ASSERT_FALSE(branch.finished());
  EXPECT_EQ(branch.text().find("\n\n\n"), std::string::npos);
  EXPECT_TRUE(branch.text().ends_with("\\boxed{"));
  EXPECT_EQ(tokenizer_.decode(branch.pending()), branch.text().substr(thought.size() - 1));
}

TEST_F(BranchTest, TheEndOfAThoughtGainsWeightTowardsTheLimit) {
  const BranchPlan plan = this->plan(100, "</think>");
  ASSERT_EQ(plan.landing_tokens(), 15);
  Branch branch(tokenizer_, plan, 0);
  const TokenId word = tokenizer_.encode("x", false)[0];
  float last = 0;
  for (int32_t i = 0; i < 100; ++i) {
    const LogitBias bias = branch.landing_bias();
    if (i < 85) {
      EXPECT_TRUE(bias.tokens.empty()) << i;
    } else {
      EXPECT_EQ(std::vector<TokenId>(bias.tokens.begin(), bias.tokens.end()),
                plan.thinking_end_ids);
      EXPECT_GT(bias.nats, last);
      last = bias.nats;
    }
    branch.accept({word, 0});
  }
  EXPECT_FLOAT_EQ(last, kLandingNats);
  EXPECT_TRUE(branch.landing_bias().tokens.empty());  // it answers
}

TEST_F(BranchTest, TheEndOfTheTurnGainsWeightOnlyBehindABoxedAnswer) {
  const BranchPlan plan = this->plan(100);
  for (const bool boxed : {false, true}) {
    Branch branch(tokenizer_, plan, 0);
    write(branch, boxed ? "\\boxed{18}, " : "it is 18, ");
    const TokenId word = tokenizer_.encode("x", false)[0];
    while (branch.sampled_tokens() < 95) branch.accept({word, 0});
    EXPECT_EQ(!branch.landing_bias().tokens.empty(), boxed);
  }
}

TEST_F(BranchTest, PlainGenerationAndSmallBudgetsHaveNoLastPart) {
  EXPECT_EQ(BranchPlan::plain(1000, FinishReason::context).landing_tokens(), 0);
  EXPECT_EQ(plan(6).landing_tokens(), 0);
  EXPECT_EQ(plan(1 << 20).landing_tokens(), kMostLandingTokens);
  const BranchPlan small = plan(6);
  EXPECT_TRUE(Branch(tokenizer_, small, 0).landing_bias().tokens.empty());
}

TEST_F(BranchTest, WithoutSoftLandingOnlyTheLimitEndsAThought) {
  BranchPlan plan = this->plan(100, "</think>");
  plan.soft_landing = false;
  EXPECT_EQ(plan.landing_tokens(), 0);
  Branch branch(tokenizer_, plan, 0);
  while (branch.sampled_tokens() < 99) {
    EXPECT_TRUE(branch.landing_bias().tokens.empty());
    branch.accept({tokenizer_.encode(".", false)[0], 0});  // ends a sentence each time
  }
  EXPECT_FALSE(branch.answering());
  branch.accept({tokenizer_.encode("x", false)[0], 0});
  EXPECT_TRUE(branch.answering());
}

TEST_F(BranchTest, PlainGenerationEndsAtItsLimit) {
  const BranchPlan plan = BranchPlan::plain(3, FinishReason::context);
  Branch branch(tokenizer_, plan, 0);
  EXPECT_EQ(write(branch, "xyz!"), "xyz");
  EXPECT_TRUE(branch.finished());
  EXPECT_EQ(branch.finish_reason(), FinishReason::context);
  EXPECT_EQ(plan.allowance_tokens(), 0);
}

}  // namespace
}  // namespace pith
