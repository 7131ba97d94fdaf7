// The loops of every instruction set that runs here, against LibTorch in float64.
#include <ATen/Parallel.h>

#include <array>
#include <cmath>

#include "base/cpu.h"
#include "train/row_loops.h"
#include "train/train_fixture.h"

namespace pith::train {
namespace {

using testing::relative_error;

// One vector, its neighbours, several with a rest.
constexpr int64_t kLengths[] = {1, 2, 15, 16, 17, 48, 130};

at::Tensor random_row(int64_t n, uint64_t seed, double scale = 1) {
  at::Tensor row = at::empty({n}, at::kDouble);
  for (int64_t i = 0; i < n; ++i) {
    row[i] = scale * (2 * random_unit(seed, 0, static_cast<uint64_t>(i)) - 1);
  }
  return row;
}

template <class T>
T* data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

class RowLoopsTest : public ::testing::TestWithParam<Isa> {
 protected:
  // f(the loops for S and M, the types of these, the error that M may have) for all three.
  template <class F>
  static void for_types(const F& f) {
    const AllRowLoops& all = row_loops_for(GetParam());
    f(all.bf16, at::kFloat, at::kBFloat16, 0x1p-8);
    f(all.f32, at::kFloat, at::kFloat, 1e-6);
    f(all.f64, at::kDouble, at::kDouble, 1e-14);
  }
};

TEST_P(RowLoopsTest, NormAndItsGradient) {
  for_types([]<class S, class M>(const RowLoops<S, M>& loops, at::ScalarType s, at::ScalarType m,
                                 double tolerance) {
    for (const int64_t n : kLengths) {
      const at::Tensor x = random_row(n, 1).to(s);
      const at::Tensor weight = random_row(n, 2).to(s);
      const at::Tensor dy = random_row(n, 3).to(s);
      const at::Tensor delta = random_row(n, 5).to(m);
      const at::Tensor base = random_row(n, 4).to(s);
      at::Tensor y = at::empty({n}, s);
      const S r =
          loops.norm(data<S>(x), data<S>(weight), S(1e-3), static_cast<size_t>(n), data<S>(y));
      for (const bool with_delta : {false, true}) {
        at::Tensor dx = base.clone();
        loops.norm_backward(data<S>(x), data<S>(weight), r, data<S>(dy),
                            with_delta ? data<M>(delta) : nullptr, static_cast<size_t>(n),
                            data<S>(dx));

        const at::Tensor leaf = x.to(at::kDouble).clone().requires_grad_();
        const at::Tensor expected =
            leaf * at::rsqrt(leaf.square().mean() + 1e-3) * weight.to(at::kDouble);
        expected.backward(dy.to(at::kDouble) + (with_delta ? 1 : 0) * delta.to(at::kDouble));
        EXPECT_LT(relative_error(y, expected), tolerance) << n;
        EXPECT_LT(relative_error(dx, base.to(at::kDouble) + leaf.grad()), tolerance) << n;
      }
    }
  });
}

TEST_P(RowLoopsTest, GateAndItsGradient) {
  for_types([]<class S, class M>(const RowLoops<S, M>& loops, at::ScalarType s, at::ScalarType m,
                                 double tolerance) {
    for (const int64_t n : kLengths) {
      const auto count = static_cast<size_t>(n);
      const at::Tensor gate = random_row(n, 1, 20).to(s);
      const at::Tensor gate_delta = random_row(n, 2).to(m);
      const at::Tensor up = random_row(n, 3).to(s);
      const at::Tensor dout = random_row(n, 4).to(s);
      const at::Tensor dout_delta = random_row(n, 5).to(m);
      at::Tensor kept_gate = at::empty({n}, m);
      at::Tensor kept_up = at::empty({n}, m);
      at::Tensor out = at::empty({n}, s);
      const M* none = nullptr;
      loops.silu_mul(data<S>(gate), data<M>(gate_delta), data<S>(up), none, count,
                     data<M>(kept_gate), data<M>(kept_up), data<S>(out));
      const at::Tensor g = gate.to(at::kDouble) + gate_delta.to(at::kDouble);
      EXPECT_LT(relative_error(out, at::silu(g) * up.to(at::kDouble)), tolerance) << n;

      for (const bool with_delta : {false, true}) {
        at::Tensor dgate = at::empty({n}, m);
        at::Tensor dup = at::empty({n}, m);
        loops.silu_mul_backward(data<M>(kept_gate), data<M>(kept_up), data<S>(dout),
                                with_delta ? data<M>(dout_delta) : nullptr, count, data<M>(dgate),
                                data<M>(dup));
        const at::Tensor leaf_gate = kept_gate.to(at::kDouble).clone().requires_grad_();
        const at::Tensor leaf_up = kept_up.to(at::kDouble).clone().requires_grad_();
        (at::silu(leaf_gate) * leaf_up)
            .backward(dout.to(at::kDouble) + (with_delta ? 1 : 0) * dout_delta.to(at::kDouble));
        EXPECT_LT(relative_error(dgate, leaf_gate.grad()), 2 * tolerance) << n;
        EXPECT_LT(relative_error(dup, leaf_up.grad()), tolerance) << n;
      }
    }
  });
}

TEST_P(RowLoopsTest, Softmax) {
  for_types([]<class S, class M>(const RowLoops<S, M>& loops, at::ScalarType s, at::ScalarType m,
                                 double tolerance) {
    for (const int64_t n : kLengths) {
      for (const double offset : {0.0, -300.0, 3000.0}) {
        const at::Tensor x = (random_row(n, 1, 30) + offset).to(s);
        const S sum = loops.log_sum_exp(data<S>(x), static_cast<size_t>(n));
        const at::Tensor wide = x.to(at::kDouble);
        const double expected = wide.logsumexp(0).item<double>();
        EXPECT_NEAR(sum, expected, std::min(tolerance, 1e-6) * (1 + std::abs(expected)));
        at::Tensor y = at::empty({n}, m);
        loops.scaled_softmax(data<S>(x), sum, S(-0.25), static_cast<size_t>(n), data<M>(y));
        // An error of the exponent is one of the result.
        EXPECT_LT(relative_error(y, -0.25 * wide.softmax(0)),
                  tolerance + std::abs(expected) * (s == at::kFloat ? 0x1p-23 : 0x1p-50));
      }
    }
  });
}

TEST_P(RowLoopsTest, TurningBackUndoesTurning) {
  for_types(
      []<class S, class M>(const RowLoops<S, M>& loops, at::ScalarType s, at::ScalarType, double) {
        for (const int64_t size : {2, 16, 34, 64, 128}) {
          for (const bool interleaved : {false, true}) {
            const at::Tensor x = random_row(size, 1).to(s);
            const at::Tensor angles = random_row(size / 2, 2, 3);
            const at::Tensor cosines = angles.cos().to(s);
            const at::Tensor sines = angles.sin().to(s);
            at::Tensor y = x.clone();
            const auto turn = [&](S sign) {
              loops.rotate(data<S>(y), data<S>(cosines), data<S>(sines), sign,
                           static_cast<size_t>(size), interleaved);
            };
            turn(1);
            const at::Tensor pairs = interleaved ? x.view({-1, 2}) : x.view({2, -1}).t();
            const at::Tensor a = pairs.select(1, 0) * cosines - pairs.select(1, 1) * sines;
            const at::Tensor got = interleaved ? y.view({-1, 2}) : y.view({2, -1}).t();
            EXPECT_LT(relative_error(got.select(1, 0), a), 1e-6);
            turn(-1);
            EXPECT_LT(relative_error(y, x), 1e-6);
          }
        }
      });
}

// As LibTorch rounds them: ties to even, up into infinity, not-a-number kept. And back.
TEST_P(RowLoopsTest, NarrowsAndWidensAsLibTorchDoes) {
  std::vector<float> values = {0.0f,      -0.0f,         1.0f,       0x1.01p0f,
                               0x1.03p0f, 0x1.010002p0f, -0x1.05p0f, 3.4e38f,
                               -3.4e38f,  INFINITY,      -INFINITY,  NAN,
                               1e-40f,    0x1.fep127f,   65504.0f,   0x1.00fffep0f};
  values.insert(values.end(), {1.5f, -2.25f, 0x1.81p3f});
  at::Tensor narrow = at::empty({static_cast<int64_t>(values.size())}, at::kBFloat16);
  const RowLoops<float, Bfloat16>& loops = row_loops_for(GetParam()).bf16;
  loops.narrow(values.data(), values.size(), data<Bfloat16>(narrow));
  const at::Tensor expected = at::tensor(values, at::kFloat).to(at::kBFloat16);
  EXPECT_TRUE(narrow.to(at::kFloat).allclose(expected.to(at::kFloat), 0, 0, /*equal_nan=*/true))
      << narrow << expected;
  at::Tensor wide = at::empty(narrow.sizes(), at::kFloat);
  loops.widen(data<Bfloat16>(narrow), values.size(), data<float>(wide));
  EXPECT_TRUE(wide.allclose(expected.to(at::kFloat), 0, 0, /*equal_nan=*/true)) << wide;
}

INSTANTIATE_TEST_SUITE_P(Isa, RowLoopsTest, ::testing::ValuesIn(available_isas()),
                         [](const auto& run) { return std::string(isa_name(run.param)); });

// at::parallel_for is compiled here, and is a plain loop where OpenMP is off.
TEST(Threads, LoopsOverRowsAreSharedOut) {
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  std::array<bool, 2> seen = {};
  at::parallel_for(0, 2, 1, [&](int64_t /*begin*/, int64_t /*end*/) {
    seen.at(static_cast<size_t>(at::get_thread_num())) = true;
  });
  at::set_num_threads(threads);
  EXPECT_TRUE(seen[0] && seen[1]);
}

}  // namespace
}  // namespace pith::train
