// Reads an answer in plain notation (reason/latex.h) as mathematics.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "reason/rational.h"

namespace pith {

// What stands behind the number, where that changes how it may be read.
enum class AnswerUnit { none, percent, cents };

struct AnswerValue {
  // Equal for answers that are equal: a reduced fraction, a tuple or interval
  // "(1/2,3]", a set "{-2,1}" in sorted order, or the expression without spaces and
  // needless parentheses, names in lower case.
  std::string text;
  // The value where it is one rational number. 50% is 1/2 here, 50 cents is 50.
  std::optional<Rational> number;
  AnswerUnit unit = AnswerUnit::none;
};

// Folds arithmetic on numbers exactly ("2^3 + 1" is 9, "1 frac(4;5)" and "1 4/5" are
// 9/5, "sqrt(16)" is 4), drops "x =" and units ("18 dollars per day" is 18). Commas
// outside brackets, "and" and "or" list the elements of a set.
// Nothing when the text is not mathematics. Linear time, bounded depth.
std::optional<AnswerValue> parse_expression(std::string_view plain);

}  // namespace pith
