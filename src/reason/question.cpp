#include "reason/question.h"

#include <utility>

namespace pith {

std::string_view reasoning_prompt(AnswerKind kind) {
  switch (kind) {
    case AnswerKind::choice:
      return "Please reason step by step, and put the letter of your final answer within "
             "\\boxed{}.";
    case AnswerKind::yes_no:
      return "Please reason step by step, and put your final answer, Yes or No, within "
             "\\boxed{}.";
    case AnswerKind::number:
      break;
  }
  return kReasoningPrompt;
}

std::string_view direct_prompt(AnswerKind kind) {
  switch (kind) {
    case AnswerKind::choice:
      return "Answer with the letter of the right choice within \\boxed{}, and nothing else.";
    case AnswerKind::yes_no:
      return "Answer with Yes or No within \\boxed{}, and nothing else.";
    case AnswerKind::number:
      break;
  }
  return "Answer with the final result within \\boxed{}, and nothing else.";
}

QuestionStyle question_style(const Pack* pack, ThinkMode think, std::optional<std::string> system,
                             std::optional<int32_t> budget_tokens) {
  QuestionStyle style;
  style.directly = pack == nullptr && think == ThinkMode::off;
  if (budget_tokens) {
    style.budget_tokens = *budget_tokens;
  } else if (pack != nullptr) {
    style.budget_tokens = pack->budgets.think;
    style.direct_budget_tokens = pack->budgets.direct;
  }
  style.system = std::move(system);
  if (!style.system && pack != nullptr) style.system = system_prompt(*pack, style.budget_tokens);
  return style;
}

std::string system_message(const QuestionStyle& style, AnswerKind kind) {
  const std::string_view own = style.directly ? direct_prompt(kind) : reasoning_prompt(kind);
  return style.system.value_or(std::string(own));
}

Result<QuestionPrompts> question_prompts(const QuestionStyle& style, AnswerKind kind,
                                         const std::string& question, ChatTemplate chat_template,
                                         const Tokenizer& tokenizer) {
  std::vector<ChatMessage> messages = {{Role::system, system_message(style, kind)},
                                       {Role::user, question}};
  if (messages[0].content.empty()) messages.erase(messages.begin());
  const auto prompt = [&](bool thinking) -> Result<QuestionPrompt> {
    PITH_TRY(const RenderedPrompt rendered,
             render_chat(chat_template, messages, kTemplateDate, thinking));
    return QuestionPrompt{prompt_text(rendered), encode_prompt(tokenizer, rendered)};
  };
  QuestionPrompts prompts;
  PITH_TRY(prompts.thinking, prompt(true));
  PITH_TRY(prompts.direct, prompt(false));
  return prompts;
}

}  // namespace pith
