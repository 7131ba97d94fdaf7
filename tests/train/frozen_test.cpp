// Products of frozen matrices by the engine's kernels, back, against float64 and the numbers
// that the matrices' blocks mean.
#include "train/frozen.h"

#include "base/cpu.h"
#include "support/quantize.h"
#include "tensor/pack.h"
#include "train/train_fixture.h"

namespace pith::train {
namespace {

using testing::relative_error;

constexpr size_t kInputs = 256;

// Uniform in +- 1.
at::Tensor random_matrix(int64_t rows, int64_t columns, uint64_t seed) {
  at::Tensor matrix = at::empty({rows, columns}, at::kFloat);
  auto* values = matrix.mutable_data_ptr<float>();
  for (int64_t i = 0; i < matrix.numel(); ++i) {
    values[i] = static_cast<float>(2 * random_unit(seed, 0, static_cast<uint64_t>(i)) - 1);
  }
  return matrix;
}

// A matrix of blocks, which kernels multiply, and the numbers that the blocks mean.
struct Quantised {
  FrozenMatrix matrix;
  at::Tensor numbers;  // float64 [outputs, inputs]
};

Quantised quantised(DType type, size_t outputs, uint64_t seed) {
  at::Tensor values = random_matrix(static_cast<int64_t>(outputs), kInputs, seed);
  auto* floats = values.mutable_data_ptr<float>();
  const size_t count = outputs * kInputs;
  const std::vector<uint8_t> blocks = quantize_row(type, {floats, count});
  dequantize_row(type, blocks.data(), floats, count);
  const GgufTensor tensor{"w", type, {kInputs, outputs}, blocks};
  PackedMatrix packed{packed_format_of(type), outputs, kInputs, nullptr};
  ThreadPool pool(1);
  return {FrozenMatrix({&tensor, &packed}, pool,
                       std::make_shared<KernelRows>(kernels_for(chosen_isa().value()))),
          values.to(at::kDouble)};
}

at::Tensor backward(const Quantised& q, const at::Tensor& dy) {
  const FrozenMatrix* matrices[] = {&q.matrix};
  return multiply_backward({&dy, 1}, matrices);
}

class MultiplyBackward : public ::testing::TestWithParam<DType> {};

// 8 bits of numbers that are uniform up to the largest: steps of 1/127 of that, which is 3^0.5
// times their size; so an error of 3^0.5 / 127 / 12^0.5 = 0.39 % of the size. Of both factors
// that is 0.56 %, and as much of sums of their products. Thrice that at most, as blocks of few
// bits are not quite uniform.
constexpr double kError = 0.0056;

TEST_P(MultiplyBackward, IsThatOfTheNumbersThatBlocksMean) {
  // One part; two, the second of which ends within 32 outputs.
  for (const size_t outputs : {size_t{96}, PackedTranspose::kPartOutputs + 41}) {
    const Quantised q = quantised(GetParam(), outputs, 1);
    for (const int64_t rows : {1, 17, 270}) {
      const at::Tensor dy = random_matrix(rows, static_cast<int64_t>(outputs), 2).to(at::kBFloat16);
      const at::Tensor dx = backward(q, dy);
      EXPECT_EQ(dx.scalar_type(), at::kFloat);
      const double error = relative_error(dx, at::mm(dy.to(at::kDouble), q.numbers));
      EXPECT_LT(error, 3 * kError) << outputs << " x " << rows;
      EXPECT_GT(error, kError / 10);  // it was in 8 bits
    }
  }
}

// A gradient that is a thousand times as large as its neighbours costs those their digits that
// share its block of 32, and no others.
TEST_P(MultiplyBackward, OutliersHarmTheirBlockAlone) {
  const Quantised q = quantised(GetParam(), 512, 3);
  const at::Tensor dy = random_matrix(20, 512, 4).to(at::kBFloat16);
  dy.select(1, 100).fill_(1000);
  at::Tensor block = at::zeros_like(dy);
  block.narrow(1, 96, 32).copy_(dy.narrow(1, 96, 32));
  const at::Tensor others = backward(q, dy) - backward(q, block);
  const at::Tensor expected = at::mm((dy - block).to(at::kDouble), q.numbers);
  // And the sums of both have been in float32, with numbers of 1000.
  EXPECT_LT(relative_error(others, expected), 3 * kError + 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Frozen, MultiplyBackward,
                         ::testing::Values(DType::q4_k, DType::q6_k, DType::q5_0, DType::q8_0),
                         [](const auto& run) { return std::string(dtype_info(run.param).name); });

TEST(MultiplyBackward, AddsMatricesOfBothWays) {
  const Quantised a = quantised(DType::q4_k, 96, 5);
  const Quantised b = quantised(DType::q6_k, 64, 6);
  const FrozenMatrix plain(random_matrix(32, kInputs, 7).to(at::kBFloat16));
  const at::Tensor dys[] = {random_matrix(9, 96, 8).to(at::kBFloat16),
                            random_matrix(9, 32, 9).to(at::kBFloat16),
                            random_matrix(9, 64, 10).to(at::kBFloat16)};
  const FrozenMatrix* matrices[] = {&a.matrix, &plain, &b.matrix};
  const at::Tensor sum =
      backward(a, dys[0]) + at::mm(dys[1], plain.weights()) + backward(b, dys[2]);
  EXPECT_LT(relative_error(multiply_backward(dys, matrices), sum), 1e-6);
}

// Blocks of zeros have a scale of zero, by which nothing can be divided.
TEST(MultiplyBackward, TakesWeightsOfNothing) {
  const std::vector<float> none(64 * kInputs, 0.0f);
  const std::vector<uint8_t> blocks = quantize_row(DType::q8_0, none);
  const GgufTensor tensor{"w", DType::q8_0, {kInputs, 64}, blocks};
  PackedMatrix packed{PackedFormat::s8, 64, kInputs, nullptr};
  ThreadPool pool(2);
  const FrozenMatrix matrix({&tensor, &packed}, pool,
                            std::make_shared<KernelRows>(kernels_for(chosen_isa().value())));
  const FrozenMatrix* matrices[] = {&matrix};
  const at::Tensor dy = random_matrix(3, 64, 11).to(at::kBFloat16);
  EXPECT_EQ(multiply_backward({&dy, 1}, matrices).abs().max().item<float>(), 0);
}

}  // namespace
}  // namespace pith::train
