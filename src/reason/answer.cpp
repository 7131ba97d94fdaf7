#include "reason/answer.h"

#include <algorithm>

#include "reason/expression.h"
#include "reason/latex.h"

namespace pith {
namespace {

// Longer than any answer; what is longer is compared as text, in linear time.
constexpr size_t kLongestMathematics = 2048;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Without spaces, and what else of `front` and `back` stands at the ends.
std::string_view trimmed(std::string_view text, std::string_view front = "",
                         std::string_view back = "") {
  const auto any = [](std::string_view set, char c) {
    return is_space(c) || set.find(c) != std::string_view::npos;
  };
  while (!text.empty() && any(front, text.front())) text.remove_prefix(1);
  while (!text.empty() && any(back, text.back())) text.remove_suffix(1);
  return text;
}

// Case, spaces and markup do not count; never empty for text that is not.
std::string folded(std::string_view text) {
  constexpr std::string_view kMarkup = "$*\\{}`\"";
  std::string result;
  for (const char c : trimmed(text, "", ".,;:!?*$`\"")) {
    if (is_space(c) || kMarkup.find(c) != std::string_view::npos) continue;
    result.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  }
  return result.empty() ? std::string(trimmed(text)) : result;
}

AnswerValue read_mathematics(std::string_view answer) {
  answer = trimmed(answer);
  if (answer.size() > kLongestMathematics) return {folded(answer), {}, {}};
  const std::optional<std::string> plain = plain_notation(answer);
  if (!plain) return {folded(answer), {}, {}};
  auto value = parse_expression(trimmed(*plain, ":*`\"=", ".,;:*`\""));
  return value ? *std::move(value) : AnswerValue{folded(*plain), {}, {}};
}

// 50% is written for 1/2 and for 50, 50 cents for 50 and for $1/2.
std::optional<Rational> other_reading(const AnswerValue& value) {
  if (!value.number) return std::nullopt;
  if (value.unit == AnswerUnit::percent) return multiply(*value.number, {100, 1});
  if (value.unit == AnswerUnit::cents) return divide(*value.number, {100, 1});
  return std::nullopt;
}

bool equivalent(const AnswerValue& a, const AnswerValue& b) {
  if (a.text == b.text) return true;
  if (!a.number || !b.number || a.unit == b.unit) return false;
  return other_reading(a) == b.number || a.number == other_reading(b);
}

}  // namespace

std::string canonical_answer(std::string_view answer, AnswerKind kind) {
  if (kind == AnswerKind::number) return read_mathematics(answer).text;
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
  return equivalent(read_mathematics(a), read_mathematics(b));
}

}  // namespace pith
