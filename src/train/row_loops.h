// The loops between the twin's products, forward and back: one pass over memory each.
//
// S is the type of the residual stream, M that of the rows that products read: float and
// Bfloat16, or the same for both. Every function is a pure loop over rows that the caller
// owns; sums are in S and in an order that depends on the length alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/isa.h"

namespace pith::train {

// The upper half of a float; as at::BFloat16 has it.
struct Bfloat16 {
  uint16_t bits;
};

template <class S, class M>
struct RowLoops {
  // y = x * r * weight. Returns r = 1 / sqrt(mean(x^2) + epsilon), which the way back needs.
  S (*norm)(const S* x, const S* weight, S epsilon, size_t n, S* y);
  // dx += the gradient of norm() with respect to x, from that of y, dy + dy_delta; the latter
  // perhaps null.
  void (*norm_backward)(const S* x, const S* weight, S r, const S* dy, const M* dy_delta, size_t n,
                        S* dx);

  // y = x + delta + bias, each of the latter two perhaps null.
  void (*sum)(const S* x, const M* delta, const S* bias, size_t n, S* y);
  // Turns the pairs of a head by their angles, in place; by `sign` = -1 back. Pairs are
  // (i, i + D/2), or (2i, 2i + 1) when interleaved. cosines, sines [D/2].
  void (*rotate)(S* head, const S* cosines, const S* sines, S sign, size_t head_size,
                 bool interleaved);
  void (*narrow)(const S* x, size_t n, M* y);  // y = x
  void (*widen)(const M* x, size_t n, S* y);   // y = x

  // With gate and up plus their deltas, if not null: out = silu(gate) * up. These sums are
  // kept for the way back.
  void (*silu_mul)(const S* gate, const M* gate_delta, const S* up, const M* up_delta, size_t n,
                   M* kept_gate, M* kept_up, S* out);
  // From the gradient of out, dout + dout_delta; the latter perhaps null. dgate and dup may be
  // gate and up.
  void (*silu_mul_backward)(const M* gate, const M* up, const S* dout, const M* dout_delta,
                            size_t n, M* dgate, M* dup);

  // log(sum(exp(x))), stable; n >= 1.
  S (*log_sum_exp)(const S* x, size_t n);
  // y = scale * exp(x - log_sum): a softmax.
  void (*scaled_softmax)(const S* x, S log_sum, S scale, size_t n, M* y);
};

struct AllRowLoops {
  RowLoops<float, Bfloat16> bf16;
  RowLoops<float, float> f32;
  RowLoops<double, double> f64;
};

// For the instruction set that kernels use, too (base/cpu.h); which must be available.
const AllRowLoops& row_loops_for(Isa isa);

// Each defined by its own translation unit.
extern const AllRowLoops kBaselineRowLoops;
extern const AllRowLoops kAvx2RowLoops;
extern const AllRowLoops kAvx512RowLoops;

}  // namespace pith::train
