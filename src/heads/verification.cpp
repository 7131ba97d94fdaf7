#include "heads/verification.h"

#include <string_view>
#include <vector>

namespace pith {
namespace {

constexpr std::string_view kAnswerMark = "THE-ANSWER";
constexpr std::string_view kQuestion = "Is this solution correct?";

}  // namespace

Result<std::string> default_verification(ChatTemplate chat_template) {
  const std::vector<ChatMessage> turns = {{Role::user, "?"},
                                          {Role::assistant, std::string(kAnswerMark)},
                                          {Role::user, std::string(kQuestion)}};
  PITH_TRY(const RenderedPrompt rendered, render_chat(chat_template, turns));
  const std::string text = prompt_text(rendered);
  const size_t mark = text.rfind(kAnswerMark);
  PITH_CHECK(mark != text.npos);
  return text.substr(mark + kAnswerMark.size());
}

}  // namespace pith
