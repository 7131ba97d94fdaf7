// Sharing out what is scarce.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace pith {

// Divides `total` so that nobody gets more than was asked for, and nobody could be given more
// without taking from someone who has no more than he (max-min fairness). What does not divide
// goes to the first ones.
std::vector<size_t> fair_shares(size_t total, std::span<const size_t> wanted);

}  // namespace pith
