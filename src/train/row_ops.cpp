#include "train/row_ops.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/cpu.h"
#include "train/row_loops.h"

namespace pith::train {
namespace {

constexpr int64_t kGrain = 16384;  // numbers that are worth a thread

const AllRowLoops& loops() {
  // An unknown PITH_ISA was refused long before.
  static const AllRowLoops& all = row_loops_for(chosen_isa().value());
  return all;
}

// f(loops for S and M) for M = `type`.
template <class F>
void for_type(at::ScalarType type, const F& f) {
  switch (type) {
    case at::kBFloat16:
      return f(loops().bf16);
    case at::kFloat:
      return f(loops().f32);
    case at::kDouble:
      return f(loops().f64);
    default:
      TORCH_CHECK(false, "rows are bfloat16, float32 or float64");
  }
}

template <class F>
void for_rows(int64_t rows, int64_t width, const F& f) {
  at::parallel_for(0, rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(width, 1)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t t = begin; t < end; ++t) f(t);
                   });
}

// Numbers of a tensor; null where it is undefined.
template <class T>
T* data(const at::Tensor& tensor) {
  TORCH_CHECK(!tensor.defined() || tensor.is_contiguous(), "rows must stand one after the other");
  return tensor.defined() ? static_cast<T*>(tensor.data_ptr()) : nullptr;
}

// The row t of width n; null where there are none.
template <class T>
T* row(T* rows, int64_t t, int64_t n) {
  return rows == nullptr ? nullptr : rows + t * n;
}

}  // namespace

Normed rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  const int64_t n = x.size(-1);
  Normed result{at::empty_like(x), at::empty(x.sizes().slice(0, x.dim() - 1), x.options())};
  for_type(x.scalar_type(), [&]<class S, class M>(const RowLoops<S, M>& loop) {
    const S* in = data<S>(x);
    const S* scale = data<S>(weight);
    S* out = data<S>(result.y);
    S* factors = data<S>(result.factors);
    for_rows(x.numel() / n, n, [&](int64_t t) {
      factors[t] = loop.norm(in + t * n, scale, static_cast<S>(epsilon), static_cast<size_t>(n),
                             out + t * n);
    });
  });
  return result;
}

void rms_norm_backward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& factors,
                       const at::Tensor& dy, const at::Tensor& dy_delta, at::Tensor& dx) {
  const int64_t n = x.size(-1);
  const at::ScalarType type = dy_delta.defined() ? dy_delta.scalar_type() : dy.scalar_type();
  for_type(type, [&]<class S, class M>(const RowLoops<S, M>& loop) {
    const S* in = data<S>(x);
    const S* scale = data<S>(weight);
    const S* r = data<S>(factors);
    const S* dout = data<S>(dy);
    const M* deltas = data<M>(dy_delta);
    S* din = data<S>(dx);
    for_rows(x.numel() / n, n, [&](int64_t t) {
      loop.norm_backward(in + t * n, scale, r[t], dout + t * n, row(deltas, t, n),
                         static_cast<size_t>(n), din + t * n);
    });
  });
}

Heads finish_heads(const at::Tensor& product, const at::Tensor& delta, const HeadShape& shape) {
  const int64_t size = shape.head_size;
  const int64_t heads = product.size(1) / size;
  const int64_t width = heads * size;
  const auto head_size = static_cast<size_t>(size);
  Heads result;
  result.heads = at::empty({product.size(0), heads, size}, product.options());
  if (shape.norm.defined()) {
    result.raw = at::empty_like(result.heads);
    result.factors = at::empty({product.size(0), heads}, product.options());
  }
  const at::ScalarType type = delta.defined() ? delta.scalar_type() : product.scalar_type();
  for_type(type, [&]<class S, class M>(const RowLoops<S, M>& loop) {
    const S* in = data<S>(product);
    const M* deltas = data<M>(delta);
    const S* bias = data<S>(shape.bias);
    const S* norm = data<S>(shape.norm);
    const S* cosines = data<S>(shape.cosines);
    const S* sines = data<S>(shape.sines);
    S* out = data<S>(result.heads);
    S* raw = data<S>(result.raw);
    S* factors = data<S>(result.factors);
    for_rows(product.size(0), width, [&](int64_t t) {
      S* y = out + t * width;
      loop.sum(in + t * width, row(deltas, t, width), bias, static_cast<size_t>(width), y);
      if (norm != nullptr) {
        std::copy(y, y + width, raw + t * width);
        for (int64_t h = 0; h < heads; ++h) {
          factors[t * heads + h] =
              loop.norm(y + h * size, norm, static_cast<S>(shape.epsilon), head_size, y + h * size);
        }
      }
      for (int64_t h = 0; cosines != nullptr && h < heads; ++h) {
        loop.rotate(y + h * size, cosines + t * size / 2, sines + t * size / 2, 1, head_size,
                    shape.interleaved);
      }
    });
  });
  return result;
}

at::Tensor finish_heads_backward(const at::Tensor& dheads, const Heads& kept,
                                 const HeadShape& shape, at::ScalarType type) {
  const int64_t size = shape.head_size;
  const int64_t heads = dheads.size(1);
  const int64_t width = heads * size;
  const auto head_size = static_cast<size_t>(size);
  at::Tensor dproduct = at::empty({dheads.size(0), width}, type);
  for_type(type, [&]<class S, class M>(const RowLoops<S, M>& loop) {
    const S* dout = data<S>(dheads);
    const S* norm = data<S>(shape.norm);
    const S* cosines = data<S>(shape.cosines);
    const S* sines = data<S>(shape.sines);
    const S* raw = data<S>(kept.raw);
    const S* factors = data<S>(kept.factors);
    M* din = data<M>(dproduct);
    at::parallel_for(0, dheads.size(0), std::max<int64_t>(1, kGrain / width),
                     [&](int64_t begin, int64_t end) {
                       std::vector<S> turned(static_cast<size_t>(width));
                       std::vector<S> plain(norm == nullptr ? 0 : turned.size());
                       for (int64_t t = begin; t < end; ++t) {
                         std::copy(dout + t * width, dout + (t + 1) * width, turned.begin());
                         for (int64_t h = 0; cosines != nullptr && h < heads; ++h) {
                           loop.rotate(turned.data() + h * size, cosines + t * size / 2,
                                       sines + t * size / 2, -1, head_size, shape.interleaved);
                         }
                         std::fill(plain.begin(), plain.end(), S{0});
                         for (int64_t h = 0; norm != nullptr && h < heads; ++h) {
                           loop.norm_backward(raw + t * width + h * size, norm,
                                              factors[t * heads + h], turned.data() + h * size,
                                              nullptr, head_size, plain.data() + h * size);
                         }
                         loop.narrow(norm == nullptr ? turned.data() : plain.data(),
                                     static_cast<size_t>(width), din + t * width);
                       }
                     });
  });
  return dproduct;
}

Gated silu_mul(const at::Tensor& gate, const at::Tensor& gate_delta, const at::Tensor& up,
               const at::Tensor& up_delta, at::ScalarType type) {
  const int64_t n = gate.size(1);
  Gated result{at::empty(gate.sizes(), type), at::empty(gate.sizes(), type), at::empty_like(gate)};
  for_type(type, [&]<class S, class M>(const RowLoops<S, M>& loop) {
    const S* g = data<S>(gate);
    const S* u = data<S>(up);
    const M* dg = data<M>(gate_delta);
    const M* du = data<M>(up_delta);
    M* kept_gate = data<M>(result.gate);
    M* kept_up = data<M>(result.up);
    S* out = data<S>(result.out);
    for_rows(gate.size(0), n, [&](int64_t t) {
      loop.silu_mul(g + t * n, row(dg, t, n), u + t * n, row(du, t, n), static_cast<size_t>(n),
                    kept_gate + t * n, kept_up + t * n, out + t * n);
    });
  });
  return result;
}

std::array<at::Tensor, 2> silu_mul_backward(const at::Tensor& gate, const at::Tensor& up,
                                            const at::Tensor& dout, const at::Tensor& dout_delta) {
  const int64_t n = gate.size(1);
  std::array<at::Tensor, 2> result = {at::empty_like(gate), at::empty_like(up)};
  for_type(gate.scalar_type(), [&]<class S, class M>(const RowLoops<S, M>& loop) {
    const M* g = data<M>(gate);
    const M* u = data<M>(up);
    const S* d = data<S>(dout);
    const M* dd = data<M>(dout_delta);
    M* dgate = data<M>(result[0]);
    M* dup = data<M>(result[1]);
    for_rows(gate.size(0), n, [&](int64_t t) {
      loop.silu_mul_backward(g + t * n, u + t * n, d + t * n, row(dd, t, n), static_cast<size_t>(n),
                             dgate + t * n, dup + t * n);
    });
  });
  return result;
}

at::Tensor log_sum_exp_rows(const at::Tensor& logits) {
  const int64_t n = logits.size(1);
  at::Tensor sums = at::empty({logits.size(0)}, logits.options());
  for_type(logits.scalar_type(), [&]<class S, class M>(const RowLoops<S, M>& loop) {
    const S* in = data<S>(logits);
    S* out = data<S>(sums);
    for_rows(logits.size(0), n,
             [&](int64_t t) { out[t] = loop.log_sum_exp(in + t * n, static_cast<size_t>(n)); });
  });
  return sums;
}

at::Tensor log_softmax_gradient_rows(const at::Tensor& logits, const at::Tensor& log_sums,
                                     const at::Tensor& targets, at::ScalarType type) {
  const int64_t n = logits.size(1);
  at::Tensor gradient = at::empty(logits.sizes(), type);
  const int64_t* target = targets.const_data_ptr<int64_t>();
  for_type(type, [&]<class S, class M>(const RowLoops<S, M>& loop) {
    const S* in = data<S>(logits);
    const S* sums = data<S>(log_sums);
    M* out = data<M>(gradient);
    for_rows(logits.size(0), n, [&](int64_t t) {
      loop.scaled_softmax(in + t * n, sums[t], -1, static_cast<size_t>(n), out + t * n);
      // In S first: 1 less a number near 1 has no digits in M.
      const S at_target = 1 - std::exp(in[t * n + target[t]] - sums[t]);
      loop.narrow(&at_target, 1, out + t * n + target[t]);
    });
  });
  return gradient;
}

}  // namespace pith::train
