// NEON with products of 8-bit matrices: half the instructions of Sdot from two rows
// on. No standard library here (see ../CMakeLists.txt).
#include "kernels/neon/table.h"

namespace pith {
namespace {

// Matrices of 2 outputs x 8 inputs by 8 inputs x 2 rows (interface: matmul.h). A sum
// is output 0 row 0, output 0 row 1, output 1 row 0, output 1 row 1; an odd last row
// stands for both of its pair.
struct Mmla {
  using Weight = int8_t;
  static constexpr size_t kBlock = kBlockWeights;
  static constexpr size_t kHalf = kHalfBlock;
  static constexpr bool kMatrices = true;
  static constexpr int kScaleVectors = 4;
  static constexpr int sums(int rows) { return (rows + 1) / 2 * 4; }

  // [half][4][4]
  static PITH_INLINE void place(const int8x16_t* w, int quarter, int8_t* block) {
    int8_t* out = block + quarter / 2 * kHalfBlock + quarter % 2 * 32;
#pragma GCC unroll 4
    for (int j = 0; j < 8; j += 2, out += 64) {
      const int32x4_t low = vreinterpretq_s32_s8(w[j]);
      const int32x4_t high = vreinterpretq_s32_s8(w[j + 1]);
      vst1q_s8(out, vreinterpretq_s8_s32(vzip1q_s32(low, high)));
      vst1q_s8(out + 16, vreinterpretq_s8_s32(vzip2q_s32(low, high)));
    }
  }

  static PITH_INLINE void place_scales(int32x4_t scales, int32_t* out) {
    vst1q_s32(out, vzip1q_s32(scales, scales));
    vst1q_s32(out + 4, vzip2q_s32(scales, scales));
  }

  template <int Rows, int Begin, int End>
  static PITH_INLINE void multiply(const int8_t* half, const int8_t* q, int32x4_t* sums) {
    constexpr int pairs = (Rows + 1) / 2;
#pragma GCC unroll 2
    for (int piece = Begin; piece < End; ++piece) {
      int8x16_t x[2][pairs];  // inputs 0 to 7 and 8 to 15 of two rows
#pragma GCC unroll 2
      for (int p = 0; p < pairs; ++p) {
        const int second = 2 * p + 1 < Rows ? 2 * p + 1 : 2 * p;
        const int64x2_t a = load(q + 2 * p * kBlockInputs + 16 * piece);
        const int64x2_t b = load(q + second * kBlockInputs + 16 * piece);
        x[0][p] = vreinterpretq_s8_s64(vzip1q_s64(a, b));
        x[1][p] = vreinterpretq_s8_s64(vzip2q_s64(a, b));
      }
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        const int8x16_t w = vld1q_s8(half + 128 * piece + 16 * i);
#pragma GCC unroll 2
        for (int p = 0; p < pairs; ++p) {
          sums[4 * p + i % 4] = vmmlaq_s32(sums[4 * p + i % 4], w, x[i / 4][p]);
        }
      }
    }
  }

  template <int Rows>
  static PITH_INLINE void rows(const int32x4_t* sums, int32x4_t out[Rows][2]) {
#pragma GCC unroll 4
    for (int m = 0; m < Rows; ++m) {
      const int32x4_t* pair = sums + m / 2 * 4;
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        out[m][v] = m % 2 == 0 ? vuzp1q_s32(pair[2 * v], pair[2 * v + 1])
                               : vuzp2q_s32(pair[2 * v], pair[2 * v + 1]);
      }
    }
  }

 private:
  static PITH_INLINE int64x2_t load(const int8_t* p) { return vreinterpretq_s64_s8(vld1q_s8(p)); }
};

}  // namespace

constinit const Kernels kI8mmKernels = neon_table<Mmla>(Isa::i8mm);

}  // namespace pith
