// Reads the numbers of answers.
#pragma once

#include "reason/expression.h"
#include "reason/scanner.h"

namespace pith {

// The number at the position, which must start with a digit, or a point and a digit:
// "1200", "1,200.50", "1 200", ".5", "12.", "1.2e-5", "1 4/5", "1 frac(4;5)",
// "0.1overline(36)", "0.333...". Inside brackets a comma separates elements instead of
// thousands.
Expression read_number(Scanner& scanner, bool in_brackets);

}  // namespace pith
