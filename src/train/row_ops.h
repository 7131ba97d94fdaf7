// The loops of train/row_loops.h over tensors, rows shared out over LibTorch's threads.
// All on the CPU, contiguous; S and M as there: S is float32 for M bfloat16, else M.
#pragma once

#include <array>

#include "train/torch.h"

namespace pith::train {

struct Normed {
  at::Tensor y;        // like x
  at::Tensor factors;  // like x without its last dimension
};
// RMS norm of the last dimension of x, in S.
Normed rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon);
// dx += its gradient, from that of y: dy S, and dy_delta M of the same shape, or undefined.
void rms_norm_backward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& factors,
                       const at::Tensor& dy, const at::Tensor& dy_delta, at::Tensor& dx);

// What becomes of a product before attention: heads of D with their bias, normed, turned.
struct HeadShape {
  at::Tensor bias;            // S [heads * D]; undefined: none
  at::Tensor norm;            // S [D]; undefined: none
  double epsilon = 0;         // of the norm
  at::Tensor cosines, sines;  // S [T, D/2]; undefined: not turned
  bool interleaved = false;
  int64_t head_size = 0;
};
struct Heads {
  at::Tensor heads;    // S [T, heads, D]
  at::Tensor raw;      // the same before the norm; undefined where there is none
  at::Tensor factors;  // of the norm
};
// product S [T, heads * D]; delta M of the same shape, or undefined.
Heads finish_heads(const at::Tensor& product, const at::Tensor& delta, const HeadShape& shape);
// The gradient of the product, M [T, heads * D], from that of the heads, S [T, heads, D].
at::Tensor finish_heads_backward(const at::Tensor& dheads, const Heads& kept,
                                 const HeadShape& shape, at::ScalarType type);

struct Gated {
  at::Tensor gate, up;  // M: the sums with the deltas
  at::Tensor out;       // S: silu(gate) * up
};
// gate, up S [T, F]; deltas M or undefined; `type` is M.
Gated silu_mul(const at::Tensor& gate, const at::Tensor& gate_delta, const at::Tensor& up,
               const at::Tensor& up_delta, at::ScalarType type);
// The gradients of gate and up, M, from that of out: dout S, and dout_delta M or undefined.
std::array<at::Tensor, 2> silu_mul_backward(const at::Tensor& gate, const at::Tensor& up,
                                            const at::Tensor& dout, const at::Tensor& dout_delta);

// Of each row of logits, S [T, V]: log(sum(exp(.))), S [T].
at::Tensor log_sum_exp_rows(const at::Tensor& logits);
// The gradient of log softmax(logits[t])[targets[t]]: 1 at the target - softmax, M [T, V].
at::Tensor log_softmax_gradient_rows(const at::Tensor& logits, const at::Tensor& log_sums,
                                     const at::Tensor& targets, at::ScalarType type);

}  // namespace pith::train
