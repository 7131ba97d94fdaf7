// Products of weights and activations, added in 16 bits as long as they fit.
#pragma once

#include "kernels/avx2/vector.h"

namespace pith {
namespace {

// maddubs adds two products of a weight and an activation (|a| <= 127) to 16 bits;
// so many of them can be added before the sum could pass 32767:
//   4 bits: 15 * 127 * 2 * 8 = 30480, 5 bits: 31 * 127 * 2 * 4 = 31496,
//   6 bits: 63 * 127 * 2 * 2 = 32004, 2 bits: far more than the 8 of a block.
constexpr int run_length(int bits) { return bits <= 4 ? 8 : bits == 5 ? 4 : 2; }

// A run in assembly: left to itself, the compiler postpones the additions, which takes
// twice the registers that there are. Operands: w and q, where the run's weights and
// activations begin; a0, a1 to c0, c1, sums of up to three rows; w0, w1, x and p,
// temporaries. With the rows' totals, three fill all 16 registers.
// clang-format off
#define PITH_WEIGHTS(j) \
  "vmovdqu 64*" #j "(%[w]), %[w0]\n\t" \
  "vmovdqu 64*" #j "+32(%[w]), %[w1]\n\t"
#define PITH_FIRST(j, m, s) \
  "vpbroadcastd 32*" #m "(%[q]), %[x]\n\t" \
  "vpmaddubsw %[x], %[w0], %[" #s "0]\n\t" \
  "vpmaddubsw %[x], %[w1], %[" #s "1]\n\t"
#define PITH_NEXT(j, m, s) \
  "vpbroadcastd 32*" #m "+4*" #j "(%[q]), %[x]\n\t" \
  "vpmaddubsw %[x], %[w0], %[p]\n\t" \
  "vpmaddubsw %[x], %[w1], %[x]\n\t" \
  "vpaddw %[p], %[" #s "0], %[" #s "0]\n\t" \
  "vpaddw %[x], %[" #s "1], %[" #s "1]\n\t"
#define PITH_ROWS1(step, j) step(j, 0, a)
#define PITH_ROWS2(step, j) PITH_ROWS1(step, j) step(j, 1, b)
#define PITH_ROWS3(step, j) PITH_ROWS2(step, j) step(j, 2, c)
#define PITH_STEP(rows, step, j) PITH_WEIGHTS(j) rows(step, j)
#define PITH_RUN2(rows) PITH_STEP(rows, PITH_FIRST, 0) PITH_STEP(rows, PITH_NEXT, 1)
#define PITH_RUN4(rows) \
  PITH_RUN2(rows) PITH_STEP(rows, PITH_NEXT, 2) PITH_STEP(rows, PITH_NEXT, 3)
#define PITH_RUN8(rows) \
  PITH_RUN4(rows) PITH_STEP(rows, PITH_NEXT, 4) PITH_STEP(rows, PITH_NEXT, 5) \
  PITH_STEP(rows, PITH_NEXT, 6) PITH_STEP(rows, PITH_NEXT, 7)
#define PITH_SUMS1 [a0] "=&x"(a0), [a1] "=&x"(a1)
#define PITH_SUMS2 PITH_SUMS1, [b0] "=&x"(b0), [b1] "=&x"(b1)
#define PITH_SUMS3 PITH_SUMS2, [c0] "=&x"(c0), [c1] "=&x"(c1)
#define PITH_SUM_RUN(run, rows) \
  if constexpr (Run == (run) && Rows == (rows)) { \
    asm(PITH_RUN##run(PITH_ROWS##rows) \
        : PITH_SUMS##rows, [w0] "=&x"(w0), [w1] "=&x"(w1), [x] "=&x"(x), [p] "=&x"(p) \
        : [w] "r"(w), [q] "r"(q), "m"(*reinterpret_cast<const Weights*>(w)), \
          "m"(*reinterpret_cast<const Q*>(q))); \
  }
#define PITH_SUM_RUNS(run) PITH_SUM_RUN(run, 1) PITH_SUM_RUN(run, 2) PITH_SUM_RUN(run, 3)
// clang-format on

// out += scale * (weights times activations), over Run vectors of weights, for Rows rows.
// Each output has two partial sums, which stand beside each other, and its scale twice.
// q is the first row's activations.
template <int Run, int Rows>
PITH_INLINE void add_run(const uint8_t* w, const int8_t* q, const int16_t* scales,
                         __m256i out[Rows][2]) {
  using Weights = uint8_t[Run * 64];
  using Q = int8_t[(Rows - 1) * kBlockInputs + Run * 4];
  __m256i a0, a1, b0, b1, c0, c1, w0, w1, x, p;
  PITH_SUM_RUNS(2)
  PITH_SUM_RUNS(4)
  PITH_SUM_RUNS(8)
  const __m256i scale0 = load(scales);
  const __m256i scale1 = load(scales + 16);
  const auto add = [&](int m, __m256i sum0, __m256i sum1) __attribute__((always_inline)) {
    out[m][0] = _mm256_add_epi32(out[m][0], _mm256_madd_epi16(sum0, scale0));
    out[m][1] = _mm256_add_epi32(out[m][1], _mm256_madd_epi16(sum1, scale1));
  };
  add(0, a0, a1);
  if constexpr (Rows > 1) add(1, b0, b1);
  if constexpr (Rows > 2) add(2, c0, c1);
}

}  // namespace
}  // namespace pith
