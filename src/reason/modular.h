// Exact evaluation of rational functions, in the integers modulo a prime.
#pragma once

#include <cstdint>
#include <optional>

#include "reason/expression.h"

namespace pith {

// The expression's value at a point (reason/points.h), with pi and e as variables. Nothing
// for what is no rational function, divides by zero there, or takes too long.
std::optional<uint64_t> residue(const Expression& expression, int point);

// a b modulo the point's prime.
uint64_t multiply_residues(uint64_t a, uint64_t b, int point);

}  // namespace pith
