#include "reason/answer.h"

#include <algorithm>

#include "reason/answer_form.h"

namespace pith {

std::string canonical_answer(std::string_view answer, AnswerKind kind) {
  if (kind == AnswerKind::number) return read_answer(answer).text;
  // The letter or word alone, in one case; extraction knows how they are written.
  const std::optional<std::string> word = extract_answer(answer, kind);
  if (!word) return folded(answer);
  std::string result = folded(*word);
  if (kind == AnswerKind::choice) {
    std::transform(result.begin(), result.end(), result.begin(), [](char c) {
      return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return result;
  }
  return result == "true" ? "yes" : result == "false" ? "no" : result;
}

bool equivalent_answers(std::string_view a, std::string_view b, AnswerKind kind) {
  if (kind != AnswerKind::number) return canonical_answer(a, kind) == canonical_answer(b, kind);
  return equivalent(read_answer(a), read_answer(b));
}

}  // namespace pith
