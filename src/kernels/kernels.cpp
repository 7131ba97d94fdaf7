#include "kernels/kernels.h"

#include "base/error.h"

namespace pith {

const Kernels& kernels_for(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return kScalarKernels;
#if defined(__x86_64__)
    case Isa::avx2:
      return kAvx2Kernels;
    case Isa::avx512:
      return kAvx512Kernels;
#elif defined(__aarch64__)
    case Isa::neon:
      return kNeonKernels;
    case Isa::i8mm:
      return kI8mmKernels;
#endif
    default:
      break;
  }
  PITH_CHECK(false && "no kernels for this ISA in this build");
}

}  // namespace pith
