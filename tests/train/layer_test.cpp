// The two ways in which a twin computes a layer, there and back: to the last bits where
// both are in float64, and within what rounding explains in bfloat16 and 8 bits.
#include "train/layer.h"

#include "train/train_fixture.h"
#include "train/vocabulary_loss.h"

namespace pith::train {
namespace {

using testing::engine_logits;
using testing::make_engine;
using testing::make_twin;
using testing::random_lora;
using testing::relative_error;
using testing::some_tokens;
using testing::take_gradients;
using testing::Text;
using testing::TinyTwin;
using testing::twin_logits;

// Hidden states and all gradients of three texts: two behind prompts, one without.
struct Outcome {
  at::Tensor hidden;
  std::vector<at::Tensor> gradients;
};

Outcome run(const TinyTwin& twin, at::ScalarType factors, double dropout) {
  const Lora lora = random_lora(twin->config(), 8, factors);
  const std::vector<TokenId> answers[] = {some_tokens(40, 11), some_tokens(9, 12),
                                          some_tokens(33, 13)};
  const Past pasts[] = {twin->read(some_tokens(7, 1)), twin->read(some_tokens(30, 2)),
                        twin->read({})};
  const Continuation texts[] = {
      {&pasts[0], answers[0]}, {&pasts[1], answers[1]}, {&pasts[2], answers[2]}};
  const LoraPass pass{&lora, dropout, 3};
  std::vector<int64_t> targets;
  for (const auto& answer : answers) {
    for (const TokenId token : answer) targets.push_back((token * 7 + 3) % kTinyVocabulary);
  }
  twin->accumulate_gradient(texts, pass, [&](const at::Tensor& hidden) {
    const at::Tensor log_p =
        vocabulary_log_probabilities(hidden, twin->head(), at::tensor(targets, at::kLong));
    return -(log_p * at::linspace(-0.5, 1.5, log_p.size(0), log_p.options().requires_grad(false)))
                .sum();
  });
  return {twin->hidden(texts, pass), take_gradients(lora)};
}

// Of all factors together, and of the one that is worst off.
struct GradientError {
  double together = 0, worst = 0;
};
GradientError gradient_error(const Outcome& a, const Outcome& b) {
  GradientError error;
  double difference = 0;
  double size = 0;
  for (size_t i = 0; i < b.gradients.size(); ++i) {
    const at::Tensor x = a.gradients[i].to(at::kDouble);
    const at::Tensor y = b.gradients[i].to(at::kDouble);
    difference += (x - y).square().sum().item<double>();
    size += y.square().sum().item<double>();
    error.worst = std::max(error.worst, relative_error(x, y));
  }
  error.together = std::sqrt(difference / size);
  return error;
}

class LayerTest : public ::testing::TestWithParam<std::string> {};

TEST_P(LayerTest, FusedIsPlainInFloat64) {
  const TinySpec spec = tiny_spec(GetParam());
  const TinyTwin fused = make_twin(spec, at::kDouble);
  const TinyTwin plain = make_twin(spec, at::kDouble, TwinMath::plain);
  for (const double dropout : {0.0, 0.3}) {
    const Outcome a = run(fused, at::kDouble, dropout);
    const Outcome b = run(plain, at::kDouble, dropout);
    EXPECT_LT(relative_error(a.hidden, b.hidden), 1e-13);
    EXPECT_LT(gradient_error(a, b).worst, 1e-11) << dropout;
  }
}

// Rows that meet matrices are rounded to 8 bits, by 2^-9.8 of their size on average, at some
// 13 places there and 20 back: 33^0.5 * 2^-9.8 = 0.6 %, and what comes late in the gradient
// has been through all. Thrice that.
TEST_P(LayerTest, GradientsInBfloat16AreNear) {
  const TinySpec spec = tiny_spec(GetParam());
  const Outcome exact = run(make_twin(spec, at::kDouble), at::kDouble, 0);
  const Outcome rounded = run(make_twin(spec, at::kBFloat16), at::kFloat, 0);
  const GradientError error = gradient_error(rounded, exact);
  EXPECT_LT(error.together, 0.02);
  EXPECT_GT(error.together, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Twin, LayerTest,
                         ::testing::Values("qwen2", "qwen2-tied", "qwen3", "llama3"),
                         [](const auto& run) {
                           return run.param == "qwen2-tied" ? "qwen2_tied" : run.param;
                         });

class QuantisedTest : public ::testing::TestWithParam<DType> {
 protected:
  QuantisedTest() { spec_.matrix_type = GetParam(); }
  TinySpec spec_ = tiny_spec("qwen2").wide();
};

// The base model's part is the engine's own to the last step of 8 bits, so that the logits
// are nearer to it than those of the numbers that its weights mean.
TEST_P(QuantisedTest, LogitsAreTheEngines) {
  const Text text{some_tokens(21, 1), some_tokens(17, 2)};
  const auto engine = make_engine(spec_, 1, {.kv_type = KvType::f32});
  const at::Tensor expected = engine_logits(*engine, text, kNoAdapter);
  const double fused =
      relative_error(twin_logits(*make_twin(spec_, at::kBFloat16), text, {}), expected);
  const double plain =
      relative_error(twin_logits(*make_twin(spec_, at::kFloat), text, {}), expected);
  EXPECT_LT(fused, plain);
  EXPECT_LT(fused, 0.01);
}

// An activation's 8 bits are steps of 1/127 of the largest among 32 or 256: about 0.6 % of
// the size of such rows, at 13 places there: 13^0.5 * 0.6 % = 2.2 %; on the way back another
// time, as gates and norms take the rounded rows, and what is rounded there (0.7 % at 13
// places, with the transposed weights) hides in it. Thrice the root of both.
TEST_P(QuantisedTest, GradientsAreThoseOfTheWeightsThatBlocksMean) {
  const Outcome exact = run(make_twin(spec_, at::kDouble), at::kDouble, 0);
  const Outcome fused = run(make_twin(spec_, at::kBFloat16), at::kFloat, 0);
  EXPECT_LT(relative_error(fused.hidden, exact.hidden), 0.066);
  EXPECT_LT(gradient_error(fused, exact).together, 0.093);
  EXPECT_GT(gradient_error(fused, exact).together, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Twin, QuantisedTest,
                         ::testing::Values(DType::q4_k, DType::q6_k, DType::q5_0, DType::q8_0),
                         [](const auto& run) { return std::string(dtype_info(run.param).name); });

}  // namespace
}  // namespace pith::train
