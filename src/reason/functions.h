// Operations on approximations: each gives its result with a bound of the error, and
// nothing where it is undefined.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "reason/approximate.h"
#include "reason/rational.h"

namespace pith {

Approximation exactly(double value);
// A value that is right but for its last bit.
Approximation rounded(double value);

using MaybeApproximation = std::optional<Approximation>;

MaybeApproximation add(const MaybeApproximation& a, const MaybeApproximation& b);
MaybeApproximation multiply(const MaybeApproximation& a, const MaybeApproximation& b);
MaybeApproximation invert(const MaybeApproximation& a);

// `exact` is the exponent where it is a rational number. `real`: without complex numbers.
MaybeApproximation raise(const MaybeApproximation& base, const MaybeApproximation& exponent,
                         const std::optional<Rational>& exact, bool real);

// a! and binomials, of whole numbers alone.
MaybeApproximation gamma(const MaybeApproximation& a);
MaybeApproximation choose(const MaybeApproximation& n, const MaybeApproximation& k);

// The function of that name; log is to the base 10, or to a first argument.
MaybeApproximation apply_function(std::string_view name, std::span<const Approximation> arguments,
                                  bool real);

}  // namespace pith
