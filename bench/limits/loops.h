// Loops of arithmetic on registers alone: what a core can do at most.
#pragma once

#include <cstdint>
#include <vector>

#include "base/isa.h"

namespace pith {

struct ArithmeticLoop {
  const char* name;             // "int8" dot products, "bf16" dot products, "fp32" multiply-adds
  double operations_per_round;  // a multiplication and an addition are two, over all lanes
  void (*run)(int64_t rounds);
};

// Those that machines with `isa` can run; none for the scalar one.
std::vector<ArithmeticLoop> arithmetic_loops(Isa isa);

}  // namespace pith
