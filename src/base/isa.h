// The instruction sets that kernels exist for. Apart from cpu.h so that kernels,
// which include no standard library header that has functions, can see it.
#pragma once

namespace pith {

enum class Isa {
  scalar,
  avx2,    // AVX2, FMA, F16C
  avx512,  // AVX-512 F, BW, VL, DQ, VNNI
  neon,    // ASIMD with dot products
  i8mm,    // neon and 8-bit matrix products
};

}  // namespace pith
