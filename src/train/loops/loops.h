// The loops of train/row_loops.h in vectors of 16, which each translation unit compiles for
// its instruction set. No standard library here, as in src/kernels.
#pragma once

#include "train/row_loops.h"

namespace pith::train {
namespace {

#define PITH_INLINE inline __attribute__((always_inline))

constexpr size_t kWide = 16;  // numbers of a vector

template <class T>
struct WideOf {
  typedef T Type __attribute__((vector_size(kWide * sizeof(T))));
};
template <class T>
using Wide = typename WideOf<T>::Type;
using WideBits = Wide<uint32_t>;

// Vectors between memory and registers; `count` numbers of which, the others being 0.
template <class T>
PITH_INLINE Wide<T> load_raw(const T* p, size_t count) {
  Wide<T> v = {};
  __builtin_memcpy(&v, p, count * sizeof(T));
  return v;
}
template <class T>
PITH_INLINE void store_raw(T* p, const Wide<T>& v, size_t count) {
  __builtin_memcpy(p, &v, count * sizeof(T));
}

template <class S>
PITH_INLINE Wide<S> load(const S* p, size_t count) {
  return load_raw(p, count);
}
template <class S>
PITH_INLINE Wide<float> load(const Bfloat16* p, size_t count) {
  const Wide<uint16_t> halves = load_raw(&p->bits, count);
  const WideBits bits = __builtin_convertvector(halves, WideBits) << 16;
  Wide<float> v;
  __builtin_memcpy(&v, &bits, sizeof(v));
  return v;
}

PITH_INLINE void store(float* p, const Wide<float>& v, size_t count) { store_raw(p, v, count); }
PITH_INLINE void store(double* p, const Wide<double>& v, size_t count) { store_raw(p, v, count); }
// Rounds to nearest, ties to even. A number that is none stays none: its low bits, which
// alone may say so, do not carry over.
PITH_INLINE void store(Bfloat16* p, const Wide<float>& v, size_t count) {
  WideBits bits;
  __builtin_memcpy(&bits, &v, sizeof(v));
  const WideBits rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const WideBits quiet = (bits >> 16) | 0x40;
  const WideBits nan = (bits & 0x7fffffff) > 0x7f800000 ? ~WideBits{} : WideBits{};
  const WideBits result = (nan & quiet) | (~nan & rounded);
  store_raw(&p->bits, __builtin_convertvector(result, Wide<uint16_t>), count);
}

// f(first, count) for the vectors of n numbers; count is a constant but for the last one.
template <class F>
PITH_INLINE void for_wide(size_t n, const F& f) {
  size_t i = 0;
  for (; i + kWide <= n; i += kWide) f(i, kWide);
  if (i < n) f(i, n - i);
}

template <class S>
PITH_INLINE S sum_of(const Wide<S>& v) {
  S lanes[kWide];
  __builtin_memcpy(lanes, &v, sizeof(v));
  for (size_t step = kWide / 2; step > 0; step /= 2) {
    for (size_t i = 0; i < step; ++i) lanes[i] += lanes[i + step];
  }
  return lanes[0];
}

// e^x to 3e-7 of its size, from e^-87 (below which it stays) to e^88.
PITH_INLINE Wide<float> exponential(Wide<float> x) {
  x = x < -87.0f ? Wide<float>{} - 87.0f : x;
  x = x > 88.0f ? Wide<float>{} + 88.0f : x;
  // x = n log 2 + r with |r| <= log(2) / 2. Adding 1.5 * 2^23 leaves no bits for fractions.
  constexpr float kRound = 12582912.0f;
  const Wide<float> n = (x * 1.44269504f + kRound) - kRound;
  // log 2 in two parts, the first of few bits, so that its multiples are exact.
  const Wide<float> r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  // The series of e^r; what is left out, r^8 / 8!, is at most 5.2e-9.
  Wide<float> p = r * (1.0f / 5040) + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const Wide<int32_t> power = (__builtin_convertvector(n, Wide<int32_t>) + 127) << 23;
  Wide<float> scale;
  __builtin_memcpy(&scale, &power, sizeof(scale));
  return p * scale;
}
PITH_INLINE Wide<double> exponential(Wide<double> x) {
  for (size_t i = 0; i < kWide; ++i) x[i] = __builtin_exp(x[i]);
  return x;
}

template <class S>
S norm_factor(const S* x, S epsilon, size_t n) {
  Wide<S> squares = {};
  for_wide(n, [&](size_t i, size_t count) {
    const Wide<S> v = load<S>(x + i, count);
    squares += v * v;
  });
  const S mean = sum_of<S>(squares) / static_cast<S>(n);
  return static_cast<S>(1 / __builtin_sqrt(static_cast<double>(mean + epsilon)));
}

template <class S>
S norm(const S* x, const S* weight, S epsilon, size_t n, S* y) {
  const S r = norm_factor(x, epsilon, n);
  for_wide(n, [&](size_t i, size_t count) {
    store(y + i, load<S>(x + i, count) * r * load<S>(weight + i, count), count);
  });
  return r;
}

// x + delta, which may be null.
template <class S, class M>
PITH_INLINE Wide<S> load_sum(const S* x, const M* delta, size_t i, size_t count) {
  const Wide<S> v = load<S>(x + i, count);
  return delta == nullptr ? v : v + load<S>(delta + i, count);
}

// With g = weight * dy: dx = r * g - x * r^3 * mean(g * x).
template <class S, class M>
void norm_backward(const S* x, const S* weight, S r, const S* dy, const M* dy_delta, size_t n,
                   S* dx) {
  Wide<S> products = {};
  for_wide(n, [&](size_t i, size_t count) {
    products +=
        load_sum(dy, dy_delta, i, count) * load<S>(weight + i, count) * load<S>(x + i, count);
  });
  const S share = r * r * r * sum_of<S>(products) / static_cast<S>(n);
  for_wide(n, [&](size_t i, size_t count) {
    const Wide<S> g = load_sum(dy, dy_delta, i, count) * load<S>(weight + i, count);
    store(dx + i, load<S>(dx + i, count) + g * r - load<S>(x + i, count) * share, count);
  });
}

template <class S, class M>
void sum(const S* x, const M* delta, const S* bias, size_t n, S* y) {
  for_wide(n, [&](size_t i, size_t count) {
    Wide<S> v = load_sum(x, delta, i, count);
    if (bias != nullptr) v += load<S>(bias + i, count);
    store(y + i, v, count);
  });
}

template <class S>
void rotate(S* head, const S* cosines, const S* sines, S sign, size_t head_size, bool interleaved) {
  const size_t half = head_size / 2;
  if (interleaved) {
    for (size_t i = 0; i < half; ++i) {
      const S a = head[2 * i];
      const S b = head[2 * i + 1];
      const S sine = sign * sines[i];
      head[2 * i] = a * cosines[i] - b * sine;
      head[2 * i + 1] = b * cosines[i] + a * sine;
    }
    return;
  }
  for_wide(half, [&](size_t i, size_t count) {
    const Wide<S> a = load<S>(head + i, count);
    const Wide<S> b = load<S>(head + half + i, count);
    const Wide<S> cosine = load<S>(cosines + i, count);
    const Wide<S> sine = load<S>(sines + i, count) * sign;
    store(head + i, a * cosine - b * sine, count);
    store(head + half + i, b * cosine + a * sine, count);
  });
}

template <class S, class M>
void narrow(const S* x, size_t n, M* y) {
  for_wide(n, [&](size_t i, size_t count) { store(y + i, load<S>(x + i, count), count); });
}

template <class S, class M>
void widen(const M* x, size_t n, S* y) {
  for_wide(n, [&](size_t i, size_t count) { store(y + i, load<S>(x + i, count), count); });
}

template <class S>
PITH_INLINE Wide<S> sigmoid(const Wide<S>& x) {
  return 1 / (1 + exponential(-x));
}

template <class S, class M>
void silu_mul(const S* gate, const M* gate_delta, const S* up, const M* up_delta, size_t n,
              M* kept_gate, M* kept_up, S* out) {
  for_wide(n, [&](size_t i, size_t count) {
    const Wide<S> g = load_sum(gate, gate_delta, i, count);
    const Wide<S> u = load_sum(up, up_delta, i, count);
    store(kept_gate + i, g, count);
    store(kept_up + i, u, count);
    store(out + i, g * sigmoid<S>(g) * u, count);
  });
}

// With s = sigmoid(gate): silu' = s + gate * s * (1 - s).
template <class S, class M>
void silu_mul_backward(const M* gate, const M* up, const S* dout, const M* dout_delta, size_t n,
                       M* dgate, M* dup) {
  for_wide(n, [&](size_t i, size_t count) {
    const Wide<S> g = load<S>(gate + i, count);
    const Wide<S> u = load<S>(up + i, count);
    const Wide<S> d = load_sum(dout, dout_delta, i, count);
    const Wide<S> s = sigmoid<S>(g);
    store(dgate + i, d * u * (s + g * s * (1 - s)), count);
    store(dup + i, d * g * s, count);
  });
}

template <class S>
S log_sum_exp(const S* x, size_t n) {
  Wide<S> most = Wide<S>{} + x[0];
  for_wide(n, [&](size_t i, size_t count) {
    const Wide<S> v = count == kWide ? load<S>(x + i, kWide) : Wide<S>{} + x[i];
    most = v > most ? v : most;
    for (size_t j = 1; count < kWide && j < count; ++j) most = x[i + j] > most ? x[i + j] : most;
  });
  S max = most[0];
  for (size_t i = 1; i < kWide; ++i) max = most[i] > max ? most[i] : max;
  Wide<S> total = {};
  for_wide(n, [&](size_t i, size_t count) {
    Wide<S> e = exponential(load<S>(x + i, count) - max);
    for (size_t j = count; j < kWide; ++j) e[j] = 0;
    total += e;
  });
  return max + static_cast<S>(__builtin_log(static_cast<double>(sum_of<S>(total))));
}

template <class S, class M>
void scaled_softmax(const S* x, S log_sum, S scale, size_t n, M* y) {
  for_wide(n, [&](size_t i, size_t count) {
    store(y + i, exponential(load<S>(x + i, count) - log_sum) * scale, count);
  });
}

template <class S, class M>
constexpr RowLoops<S, M> kLoops = {
    norm<S>,        norm_backward<S, M>, sum<S, M>,      rotate<S>,
    narrow<S, M>,   widen<S, M>,         silu_mul<S, M>, silu_mul_backward<S, M>,
    log_sum_exp<S>, scaled_softmax<S, M>};

constexpr AllRowLoops kAllLoops = {kLoops<float, Bfloat16>, kLoops<float, float>,
                                   kLoops<double, double>};

}  // namespace
}  // namespace pith::train
