// An answer that has been read, ready to be compared with many others.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reason/fingerprint.h"
#include "reason/rational.h"

namespace pith {

struct AnswerForm {
  enum class Kind { text, value, relation, tuple, set, unite, matrix };
  // What stands behind a number, where that changes how it may be read.
  enum class Unit { none, percent, cents, base };

  Kind kind = Kind::text;
  // Equal for answers that are equal, where that shows in their structure.
  std::string text;

  // Of a value. 50% is 1/2 here, 50 cents is 50.
  std::optional<Rational> number;
  // The number that is written for the same thing: 50 for 50%, 1/2 for 50 cents, and for
  // 2516_8 the digits 2516, where the question has set the base.
  std::optional<Rational> other_number;
  Unit unit = Unit::none;
  int decimals = 0;  // digits behind the point

  // Of a value, or of the difference of an equation's or inequality's sides; of "y = 2x"
  // either, the value and the equation.
  std::optional<Fingerprint> value;
  std::optional<Fingerprint> difference;

  std::string name;               // a tuple's brackets, a relation's operator
  std::vector<AnswerForm> parts;  // of a collection; a matrix is its rows
};

// Free-form mathematics, LaTeX or plain. What is no mathematics, is too long or has too
// many elements is text. Time in proportion to the text's length.
AnswerForm read_answer(std::string_view answer);

// Symmetric and reflexive.
bool equivalent(const AnswerForm& a, const AnswerForm& b);

// Case, spaces and markup do not count; never empty for text that is not.
std::string folded(std::string_view text);

}  // namespace pith
