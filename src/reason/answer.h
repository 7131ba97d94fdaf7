// The final answer of a solution: where it stands in the text, and when two of
// them are the same answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pith {

enum class AnswerKind {
  number,  // free-form mathematics: \boxed{}, "answer is", "####", last number
  choice,  // a letter A to J
  yes_no,
};

// The answer that `solution` gives, as written there (trimmed, markup such as
// \boxed{}, $..$ and ** removed); nothing when it gives none. The last of the
// strongest kind of marker wins: \boxed{} over "answer is"/"####" over the last
// number (or letter). Linear in the text's length, any bytes.
std::optional<std::string> extract_answer(std::string_view solution, AnswerKind kind);

// The answer in a form that is equal for equal answers wherever that can be
// decided syntactically: numbers become reduced fractions, "$1,200.00" and
// "1200 dollars" the same, 50% and 1/2 and 0.5 the same, LaTeX fractions plain.
std::string canonical_answer(std::string_view answer, AnswerKind kind);

// Whether the two are the same answer. Symmetric and reflexive; bounded time and
// depth on any input.
bool equivalent_answers(std::string_view a, std::string_view b, AnswerKind kind);

}  // namespace pith
