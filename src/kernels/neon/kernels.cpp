// NEON with 8-bit dot products. No standard library here (see ../CMakeLists.txt).
#include "kernels/neon/table.h"

namespace pith {

constinit const Kernels kNeonKernels = neon_table<Sdot>(Isa::neon);

}  // namespace pith
