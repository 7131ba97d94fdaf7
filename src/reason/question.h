// How a question is put to a model: the prompts that it is asked with, and how many tokens
// an answer may take. One way for all that ask, so that what is measured is what is used.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "reason/answer.h"
#include "reason/pack.h"
#include "reason/route.h"
#include "text/chat_template.h"
#include "text/prompt.h"
#include "text/tokenizer.h"

namespace pith {

// What a question is asked with when the user gives no system prompt.
inline constexpr std::string_view kReasoningPrompt =
    "Please reason step by step, and put your final answer within \\boxed{}.";

// The same, saying what kind of answer is wanted.
std::string_view reasoning_prompt(AnswerKind kind);
// The same for an answer without reasoning.
std::string_view direct_prompt(AnswerKind kind);

// What all questions of a run are asked with.
struct QuestionStyle {
  std::optional<std::string> system;            // empty: no system message; none: that of the kind,
  bool directly = false;                        // with this the one for an answer without reasoning
  int32_t budget_tokens = kDefaultBudget;       // that an answer may take
  std::optional<int32_t> direct_budget_tokens;  // the same without reasoning; none: no other
};

// What the user says, else the pack (null: none), else what this header has. A pack has one
// system prompt for both modes, as they share its keys and values.
QuestionStyle question_style(const Pack* pack, ThinkMode think, std::optional<std::string> system,
                             std::optional<int32_t> budget_tokens);

// The system message of such questions; empty: none.
std::string system_message(const QuestionStyle& style, AnswerKind kind);

struct QuestionPrompt {
  std::string text;  // as the template renders it
  EncodedPrompt encoded;
};

struct QuestionPrompts {
  QuestionPrompt thinking;
  QuestionPrompt direct;  // where it is decided that the model does not reason

  const QuestionPrompt& of(bool is_thinking) const { return is_thinking ? thinking : direct; }
};

// Errors: those of render_chat().
Result<QuestionPrompts> question_prompts(const QuestionStyle& style, AnswerKind kind,
                                         const std::string& question, ChatTemplate chat_template,
                                         const Tokenizer& tokenizer);

}  // namespace pith
