// The loss of a policy by hand, and its gradient against differences.
#include "train/policy_loss.h"

#include "train/example_pass.h"
#include "train/train_fixture.h"

namespace pith::train {
namespace {

using testing::make_twin;
using testing::random_lora;
using testing::some_tokens;

at::Tensor doubles(std::vector<double> values) { return at::tensor(values, at::kDouble); }

// Ratios 1.1, 1.5, 1.5, 0.5, 0.5 with advantages of both signs and clips at 0.8 and 1.3.
TEST(PolicyLoss, ClipsWhatHasMovedFarEnough) {
  const at::Tensor log_p = doubles({1.1, 1.5, 1.5, 0.5, 0.5}).log().requires_grad_();
  const PolicyTokens tokens{
      at::zeros({5}, at::kDouble), {}, doubles({2, 1, -1, 1, -1}), doubles({1, 0.5, 1, 1, 0.25})};
  PolicyFigures figures;
  const at::Tensor loss =
      policy_loss(log_p, tokens, {.clip_low = 0.2, .clip_high = 0.3, .kl = 0}, figures);
  // min(r A, clip(r) A): 2.2, 1.3 (clipped), -1.5, 0.5, -0.8 (clipped)
  EXPECT_NEAR(loss.item<double>(), -(2.2 + 0.5 * 1.3 - 1.5 + 0.5 - 0.25 * 0.8), 1e-12);
  EXPECT_EQ(figures.tokens, 5);
  EXPECT_EQ(figures.clipped, 2);
  EXPECT_EQ(figures.kl, 0);
  loss.backward();
  // d(r A) = r A, none where it is clipped.
  EXPECT_TRUE(log_p.grad().allclose(doubles({-2.2, 0, 1.5, -0.5, 0}), 1e-12, 1e-12))
      << log_p.grad();
}

TEST(PolicyLoss, StaysCloseToTheReference) {
  const at::Tensor log_p = doubles({-1, -2}).requires_grad_();
  const PolicyTokens tokens{log_p.detach(), doubles({-1.5, -1}), doubles({0, 0}), doubles({1, 2})};
  PolicyFigures figures;
  const at::Tensor loss = policy_loss(log_p, tokens, {.kl = 0.1}, figures);
  const double k3[] = {std::exp(-0.5) + 0.5 - 1, std::exp(1.0) - 1 - 1};
  EXPECT_NEAR(loss.item<double>(), 0.1 * (k3[0] + 2 * k3[1]), 1e-12);
  EXPECT_NEAR(figures.kl, k3[0] + k3[1], 1e-12);
  loss.backward();
  // d(k3) = 1 - exp(d)
  EXPECT_NEAR(log_p.grad()[0].item<double>(), 0.1 * (1 - std::exp(-0.5)), 1e-12);
  EXPECT_NEAR(log_p.grad()[1].item<double>(), 0.2 * (1 - std::exp(1.0)), 1e-12);
}

// The whole way: the adapter's factors, completions of two prompts, the base model as
// reference, a temperature. As in gradient_test.cpp.
TEST(PolicyLoss, ItsGradientInTheFactorsIsThatOfDifferences) {
  constexpr double kTemperature = 0.8;
  const testing::TinyTwin twin = make_twin(tiny_spec("qwen2"), at::kDouble);
  const Lora lora = random_lora(twin->config(), 4, at::kDouble);
  std::vector<Example> examples;
  for (const uint64_t salt : {1, 2, 3}) {
    Example example{some_tokens(5, salt / 3), 5, some_tokens(4 + salt, 10 + salt)};
    example.prompt.insert(example.prompt.end(), {317, 97, 10});
    examples.push_back(example);
  }
  const ExamplePass pass(*twin, examples, {0, 1, 2});
  const int64_t count = pass.targets().numel();
  ASSERT_EQ(count, 5 + 6 + 7);
  PolicyTokens tokens{
      pass.log_probabilities({&lora}, kTemperature), pass.log_probabilities({}, kTemperature),
      at::linspace(-1.5, 2, count, at::kDouble), at::linspace(0.1, 0.5, count, at::kDouble)};
  tokens.old -= at::linspace(-0.4, 0.4, count, at::kDouble).sin();  // some are clipped
  const PolicyLossOptions options{.kl = 0.05};
  PolicyFigures figures;
  const auto loss_of = [&](const at::Tensor& log_p) {
    return policy_loss(log_p, tokens, options, figures);
  };
  pass.accumulate({&lora}, loss_of, kTemperature);
  EXPECT_GT(figures.clipped, 0);
  EXPECT_LT(figures.clipped, count);

  const auto loss = [&] {
    const at::NoGradGuard no_gradient;
    return loss_of(pass.log_probabilities({&lora}, kTemperature)).item<double>();
  };
  constexpr double kStep = 1e-5;
  for (size_t i = 0; i < lora.parameters().size(); ++i) {
    const at::Tensor gradient = lora.parameters()[i].grad().view(-1);
    const at::Tensor factor = lora.parameters()[i].detach().view(-1);
    const auto place =
        static_cast<int64_t>(random_bits(2, i, 0) % static_cast<uint64_t>(factor.numel()));
    const double value = factor[place].item<double>();
    factor[place] = value + kStep;
    const double above = loss();
    factor[place] = value - kStep;
    const double below = loss();
    factor[place] = value;
    const double expected = (above - below) / (2 * kStep);
    EXPECT_NEAR(gradient[place].item<double>(), expected, 1e-7 * (1 + std::abs(expected)))
        << lora.names()[i];
  }
}

}  // namespace
}  // namespace pith::train
