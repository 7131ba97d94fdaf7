// Which instruction set the kernels use. Chosen once, at the first question.
#pragma once

#include <string_view>
#include <vector>

#include "base/error.h"

namespace pith {

enum class Isa {
  scalar,
  avx2,    // AVX2, FMA, F16C
  avx512,  // AVX-512 F, BW, VL, DQ, VNNI
  neon,    // ASIMD with dot products
  i8mm,    // neon and 8-bit matrix products
};

std::string_view isa_name(Isa isa);

// What this build has kernels for and this machine can run, best last.
std::vector<Isa> available_isas();

// The best one, or the one that PITH_ISA names. Errors: usage, when PITH_ISA
// names one that is unknown or cannot run here.
Result<Isa> chosen_isa();

}  // namespace pith
