// AVX2, FMA and F16C. No standard library here (see ../CMakeLists.txt).
#include "kernels/avx2/attend.h"
#include "kernels/avx2/elementwise.h"
#include "kernels/avx2/matmul.h"
#include "kernels/avx2/quantize.h"

namespace pith {

const Kernels kAvx2Kernels = {
    .isa = Isa::avx2,
    .matmul = {matmul<PackedFormat::k2m>, matmul<PackedFormat::k4m>, matmul<PackedFormat::k5m>,
               matmul<PackedFormat::k6>, matmul<PackedFormat::s4>, matmul<PackedFormat::s4m>,
               matmul<PackedFormat::s5>, matmul<PackedFormat::s5m>, matmul<PackedFormat::s8>,
               matmul<PackedFormat::f32>, matmul<PackedFormat::f16>, matmul<PackedFormat::bf16>},
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

}  // namespace pith
