// The values of an expression at a few points, in place of the expression: equal
// expressions have the same ones, different ones differ but for a negligible chance.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "reason/approximate.h"
#include "reason/points.h"

namespace pith {

struct Fingerprint {
  // All or nothing: exact, for rational functions.
  std::optional<std::array<uint64_t, kModularPoints>> residues;
  // Where it is defined.
  std::array<std::optional<Approximation>, kRealPoints> values;
};

// Time in proportion to the expression's size.
Fingerprint fingerprint(const Expression& expression);
Fingerprint fingerprint(const Rational& number);

// Whether they are the same wherever both are defined, and that is at enough points.
bool same_value(const Fingerprint& a, const Fingerprint& b);

// Whether one is the other times a constant (other than 0) there; a positive constant if
// `same_sign`.
bool proportional(const Fingerprint& a, const Fingerprint& b, bool same_sign);

}  // namespace pith
