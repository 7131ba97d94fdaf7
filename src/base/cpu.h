// Which instruction set the kernels use.
#pragma once

#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/isa.h"

namespace pith {

std::string_view isa_name(Isa isa);

// What this build has kernels for and this machine can run, best last.
std::vector<Isa> available_isas();

// The best one, or the one that PITH_ISA names. Errors: usage, when PITH_ISA
// names one that is unknown or cannot run here.
Result<Isa> chosen_isa();

}  // namespace pith
