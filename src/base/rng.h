// Random numbers without state: a pure function of a key and a counter, so that
// draws repeat whatever the order in which threads and sequences make them.
#pragma once

#include <cstdint>

namespace pith {

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that mixes
// every input bit into every output bit.
constexpr uint64_t mix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// 64 random bits for (seed, stream, counter).
constexpr uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t counter) {
  return mix64(mix64(mix64(seed) ^ stream) ^ counter);
}

// Uniform in [0, 1), 53 bits.
constexpr double random_unit(uint64_t seed, uint64_t stream, uint64_t counter) {
  return static_cast<double>(random_bits(seed, stream, counter) >> 11) * 0x1p-53;
}

}  // namespace pith
