// Evaluation of expressions in floating point, with a bound of the error.
#pragma once

#include <complex>
#include <optional>

#include "reason/expression.h"

namespace pith {

struct Approximation {
  std::complex<double> value;
  double error = 0;
};

// The expression's value at a real point (reason/points.h). Expressions with variables and
// without i are real: roots and logarithms of negative numbers are undefined there, and
// odd roots have their sign; without variables, they are complex. Nothing where it is
// undefined or the error is large.
std::optional<Approximation> approximate(const Expression& expression, int point);

// Whether they are equal but for their errors.
bool close(const Approximation& a, const Approximation& b);

}  // namespace pith
