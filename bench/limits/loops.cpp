#include "loops.h"

// Each loop keeps twelve independent sums, enough for two instructions a cycle that
// take six cycles each. In assembly, or compilers would fold what adds up zeros.
#define PITH_TWELVE(step) \
  step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7) step(8) step(9) step(10) step(11)

namespace pith {
namespace {

constexpr double kSums = 12;

#if defined(__x86_64__)

// Operands are zero: numbers that are denormal or not numbers can be slow.
// NOLINTBEGIN(bugprone-macro-parentheses): text of the assembler
#define PITH_LOOP(function, steps)                                                                 \
  void function(int64_t rounds) {                                                                  \
    asm volatile("vzeroall\n1:\n" steps "dec %0\njnz 1b\nvzeroupper\n"                             \
                 : "+r"(rounds)                                                                    \
                 :                                                                                 \
                 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
                   "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc");                    \
  }
// NOLINTEND(bugprone-macro-parentheses)
#define PITH_VPDPBUSD_512(sum) "vpdpbusd %%zmm14, %%zmm15, %%zmm" #sum "\n"
#define PITH_VDPBF16PS_512(sum) "vdpbf16ps %%zmm14, %%zmm15, %%zmm" #sum "\n"
#define PITH_VFMADD_512(sum) "vfmadd231ps %%zmm14, %%zmm15, %%zmm" #sum "\n"
#define PITH_VPMADDUBSW_256(sum) "vpmaddubsw %%ymm14, %%ymm15, %%ymm" #sum "\n"
#define PITH_VFMADD_256(sum) "vfmadd231ps %%ymm14, %%ymm15, %%ymm" #sum "\n"
PITH_LOOP(int8_512, PITH_TWELVE(PITH_VPDPBUSD_512))
PITH_LOOP(bf16_512, PITH_TWELVE(PITH_VDPBF16PS_512))
PITH_LOOP(fp32_512, PITH_TWELVE(PITH_VFMADD_512))
PITH_LOOP(int8_256, PITH_TWELVE(PITH_VPMADDUBSW_256))
PITH_LOOP(fp32_256, PITH_TWELVE(PITH_VFMADD_256))

#elif defined(__aarch64__)

// NOLINTBEGIN(bugprone-macro-parentheses): text of the assembler
#define PITH_LOOP(function, steps)                                                                \
  void function(int64_t rounds) {                                                                 \
    asm volatile(                                                                                 \
        ".arch armv8.6-a\n"                                                                       \
        "movi v14.16b, #0\nmovi v15.16b, #0\n1:\n" steps "subs %0, %0, #1\nb.ne 1b\n"             \
        : "+r"(rounds)                                                                            \
        :                                                                                         \
        : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v14", "v15", \
          "cc");                                                                                  \
  }
// NOLINTEND(bugprone-macro-parentheses)
#define PITH_SMMLA(sum) "smmla v" #sum ".4s, v14.16b, v15.16b\n"
#define PITH_SDOT(sum) "sdot v" #sum ".4s, v14.16b, v15.16b\n"
#define PITH_FMLA(sum) "fmla v" #sum ".4s, v14.4s, v15.4s\n"
PITH_LOOP(int8_i8mm, PITH_TWELVE(PITH_SMMLA))
PITH_LOOP(int8_128, PITH_TWELVE(PITH_SDOT))
PITH_LOOP(fp32_128, PITH_TWELVE(PITH_FMLA))

#endif

}  // namespace

std::vector<ArithmeticLoop> arithmetic_loops(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::avx512: {
      std::vector<ArithmeticLoop> loops = {{"int8", kSums * 128, int8_512},
                                           {"fp32", kSums * 32, fp32_512}};
      if (__builtin_cpu_supports("avx512bf16")) loops.push_back({"bf16", kSums * 64, bf16_512});
      return loops;
    }
    case Isa::avx2:
      return {{"int8", kSums * 64, int8_256}, {"fp32", kSums * 16, fp32_256}};
#elif defined(__aarch64__)
    case Isa::i8mm:
      return {{"int8", kSums * 64, int8_i8mm}, {"fp32", kSums * 8, fp32_128}};
    case Isa::neon:
      return {{"int8", kSums * 32, int8_128}, {"fp32", kSums * 8, fp32_128}};
#endif
    default:
      return {};
  }
}

}  // namespace pith
