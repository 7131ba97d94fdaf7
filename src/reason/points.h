// The values of variables at which expressions are compared: the same for the same
// name, everywhere and always.
#pragma once

#include <cstdint>
#include <string_view>

namespace pith {

// Real points: of three magnitudes, with positive variables at every other one; the
// last ones are integers, for what is defined there alone, as (-1)^n.
constexpr int kRealPoints = 20;
double real_value(std::string_view name, int point);

// Points in the integers modulo a prime: two of them for either of two primes.
constexpr int kModularPoints = 4;
uint64_t modular_value(std::string_view name, int point);
uint64_t modular_prime(int point);

}  // namespace pith
