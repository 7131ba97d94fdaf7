// What a question is asked with: the user's word before the pack's, the pack's before ours.
#include "reason/question.h"

#include <gtest/gtest.h>

#include "reason/tiny_reasoner.h"

namespace pith {
namespace {

constexpr ThinkMode kAuto = ThinkMode::automatic;

Pack pack_with_system(std::optional<std::string> system) {
  Pack pack;
  pack.prompts.system = std::move(system);
  pack.budgets = {300, 40};
  return pack;
}

QuestionPrompts prompts_of(const QuestionStyle& style, AnswerKind kind,
                           ChatTemplate chat_template = ChatTemplate::chatml) {
  const Tokenizer tokenizer = testing::tiny_tokenizer(tiny_spec("qwen2"));
  return question_prompts(style, kind, "Why?", chat_template, tokenizer).value();
}

bool says(const QuestionPrompt& prompt, std::string_view text) {
  return prompt.text.find(text) != std::string::npos;
}

TEST(QuestionStyle, WithoutAPackTheKindHasItsPrompts) {
  for (const AnswerKind kind : {AnswerKind::number, AnswerKind::choice, AnswerKind::yes_no}) {
    for (const ThinkMode mode : {kAuto, ThinkMode::on}) {
      const QuestionStyle style = question_style(nullptr, mode, {}, {});
      EXPECT_TRUE(says(prompts_of(style, kind).thinking, reasoning_prompt(kind)));
      EXPECT_TRUE(says(prompts_of(style, kind).direct, reasoning_prompt(kind)));
    }
    const QuestionStyle direct = question_style(nullptr, ThinkMode::off, {}, {});
    EXPECT_TRUE(says(prompts_of(direct, kind).direct, direct_prompt(kind)));
  }
  const QuestionStyle style = question_style(nullptr, kAuto, {}, {});
  EXPECT_EQ(style.budget_tokens, kDefaultBudget);
  EXPECT_EQ(style.direct_budget_tokens, std::nullopt);
}

TEST(QuestionStyle, ThePackSaysItForBothModes) {
  const Pack pack = pack_with_system("At most {budget}.");
  for (const ThinkMode mode : {kAuto, ThinkMode::on, ThinkMode::off}) {
    const QuestionStyle style = question_style(&pack, mode, {}, {});
    EXPECT_EQ(style.system, "At most 300.");
    EXPECT_EQ(style.budget_tokens, 300);
    EXPECT_EQ(style.direct_budget_tokens, 40);
  }
  // One that has no prompt reasons with ours in every mode: its keys and values are shared.
  const Pack silent = pack_with_system(std::nullopt);
  const QuestionStyle style = question_style(&silent, ThinkMode::off, {}, {});
  EXPECT_TRUE(
      says(prompts_of(style, AnswerKind::choice).direct, reasoning_prompt(AnswerKind::choice)));
}

TEST(QuestionStyle, TheUserSaysItBeforeAll) {
  const Pack pack = pack_with_system("At most {budget}.");
  const QuestionStyle style = question_style(&pack, kAuto, "Mine {budget}.", {});
  EXPECT_EQ(style.system, "Mine {budget}.");
  EXPECT_EQ(style.budget_tokens, 300);
  const QuestionStyle budget = question_style(&pack, kAuto, {}, 7);
  EXPECT_EQ(budget.system, "At most 7.");
  EXPECT_EQ(budget.budget_tokens, 7);
  EXPECT_EQ(budget.direct_budget_tokens, std::nullopt);
  const QuestionStyle none = question_style(&pack, kAuto, "", {});
  EXPECT_FALSE(says(prompts_of(none, AnswerKind::number).thinking, "system"));
}

// Where the family thinks in markup, the two wordings part behind the boundary alone.
TEST(QuestionPrompts, DirectOnesBeginBehindAnEmptyThought) {
  const QuestionPrompts prompts = prompts_of({}, AnswerKind::number, ChatTemplate::chatml_qwen3);
  EXPECT_FALSE(says(prompts.thinking, "</think>"));
  EXPECT_TRUE(says(prompts.direct, "</think>"));
  EXPECT_EQ(&prompts.of(true), &prompts.thinking);
  EXPECT_EQ(&prompts.of(false), &prompts.direct);
  const auto& [ids, boundary] = prompts.thinking.encoded;
  ASSERT_GT(boundary, 0u);
  EXPECT_EQ(prompts.direct.encoded.boundary, boundary);
  EXPECT_TRUE(std::equal(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(boundary),
                         prompts.direct.encoded.ids.begin()));
}

}  // namespace
}  // namespace pith
