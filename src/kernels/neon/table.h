// The table of an ISA of this folder; `Many` makes its dot products (matmul.h).
#pragma once

#include "kernels/neon/attend.h"
#include "kernels/neon/elementwise.h"
#include "kernels/neon/matmul.h"
#include "kernels/neon/quantize.h"

namespace pith {
namespace {

template <class Many>
constexpr Kernels neon_table(Isa isa) {
  return {
      .isa = isa,
      .matmul = {matmul<Many, PackedFormat::k2m>, matmul<Many, PackedFormat::k4m>,
                 matmul<Many, PackedFormat::k5m>, matmul<Many, PackedFormat::k6>,
                 matmul<Many, PackedFormat::s4>, matmul<Many, PackedFormat::s4m>,
                 matmul<Many, PackedFormat::s5>, matmul<Many, PackedFormat::s5m>,
                 matmul<Many, PackedFormat::s8>, matmul<Many, PackedFormat::f32>,
                 matmul<Many, PackedFormat::f16>, matmul<Many, PackedFormat::bf16>},
      .quantize_super = quantize_super,
      .quantize_simple = quantize_simple,
      .rms_norm = rms_norm,
      .weigh = weigh,
      .silu_mul = silu_mul,
      .add = add,
      .rope = rope,
      .attend_f32 = attend<float>,
      .attend_f16 = attend<uint16_t>,
      .attend_int16 = attend<int16_t>,
      .attend_int8 = attend<int8_t>,
      .to_half = to_half,
      .max = max_of,
      .log_sum_exp = log_sum_exp,
  };
}

}  // namespace
}  // namespace pith
