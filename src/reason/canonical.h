// The one form in which answers that mean the same are written, where that can be
// told from their structure.
#pragma once

#include "reason/expression.h"
#include "reason/term.h"

namespace pith {

// Without what only presents an answer: "x = 5" is 5, "x = 1 or x = -2" the set {1, -2},
// "x = 1, y = 2" the tuple (1, 2), "x > 2" and "2 < x" the interval (2, inf), "1 ± 2" the
// set {3, -1}. What is left at the top: arithmetic, percent, cents, relation, tuple, set,
// unite, matrix.
Expression normalised(Expression expression);

// The text of a normalised expression, and its number if it is one: arithmetic on
// rational numbers is done exactly, parentheses that say nothing are dropped, sets are
// sorted.
Term written_out(const Expression& expression);

}  // namespace pith
