// Gradients: against differences of the loss, and the fused loss and the layers that are
// computed twice against LibTorch's own way. All in float64.
#include "base/rng.h"
#include "train/adamw.h"
#include "train/row_ops.h"
#include "train/train_fixture.h"
#include "train/vocabulary_loss.h"

namespace pith::train {
namespace {

using testing::make_twin;
using testing::random_lora;
using testing::relative_error;
using testing::some_tokens;
using testing::take_gradients;
using testing::TinyTwin;

// Bytes of activations that are kept.
constexpr size_t kNothing = 0;
constexpr size_t kAll = size_t{1} << 30;

// Two answers to one prompt and one to another, of 4 to 9 tokens.
class Gradient : public ::testing::TestWithParam<std::string> {
 protected:
  Gradient()
      : twin_(make_twin(tiny_spec(GetParam()), at::kDouble)),
        lora_(random_lora(twin_->config(), 4, at::kDouble)) {
    texts_ = {{&pasts_[0], answers_[0]}, {&pasts_[0], answers_[1]}, {&pasts_[1], answers_[2]}};
  }

  // Each token's successor is its target; the last ones' are arbitrary.
  at::Tensor fused(const at::Tensor& hidden, int64_t chunk_rows = 5) const {
    const at::Tensor log_p =
        vocabulary_log_probabilities(hidden, twin_->head(), targets(), chunk_rows);
    return -(log_p * weights()).sum();
  }
  at::Tensor plain(const at::Tensor& hidden) const {
    const at::Tensor log_p = at::log_softmax(twin_->logits(hidden), -1);
    return -(log_p.gather(1, targets().unsqueeze(1)).squeeze(1) * weights()).sum();
  }

  at::Tensor targets() const {
    std::vector<int64_t> ids;
    for (const Continuation& text : texts_) {
      for (const TokenId token : text.tokens) ids.push_back((token * 7 + 3) % kTinyVocabulary);
    }
    return at::tensor(ids, at::kLong);
  }
  at::Tensor weights() const { return at::linspace(-0.5, 1.5, targets().size(0), at::kDouble); }

  double loss(const LoraPass& pass) const {
    const at::NoGradGuard no_gradient;
    return plain(twin_->hidden(texts_, pass)).item<double>();
  }

  std::vector<at::Tensor> gradients(const LoraPass& pass, bool fused_loss, size_t keep_bytes) {
    twin_->accumulate_gradient(
        texts_, pass,
        [&](const at::Tensor& hidden) { return fused_loss ? fused(hidden) : plain(hidden); },
        keep_bytes);
    return take_gradients(lora_);
  }

  static void expect_same(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      ASSERT_TRUE(a[i].defined() && b[i].defined()) << i;
      EXPECT_LT(relative_error(a[i], b[i]), 1e-12) << i;
    }
  }

  TinyTwin twin_;
  Lora lora_;
  std::vector<TokenId> answers_[3] = {some_tokens(6, 11), some_tokens(9, 12), some_tokens(4, 13)};
  Past pasts_[2] = {twin_->read(some_tokens(7, 1)), twin_->read(some_tokens(3, 2))};
  std::vector<Continuation> texts_;
};

// Central differences in float64: the error is about h^2 + 2^-53 / h, 1e-10 for h = 1e-5,
// beside gradients of 1e-3 and more.
TEST_P(Gradient, OfEveryFactorIsThatOfDifferences) {
  for (const double dropout : {0.0, 0.3}) {
    const LoraPass pass{&lora_, dropout, 5};
    const std::vector<at::Tensor> all = gradients(pass, /*fused_loss=*/true, kNothing);
    constexpr double kStep = 1e-5;
    for (size_t i = 0; i < all.size(); ++i) {
      const at::Tensor factor = lora_.parameters()[i].detach().view(-1);
      const auto place =
          static_cast<int64_t>(random_bits(1, i, 0) % static_cast<uint64_t>(factor.numel()));
      const double value = factor[place].item<double>();
      factor[place] = value + kStep;
      const double above = loss(pass);
      factor[place] = value - kStep;
      const double below = loss(pass);
      factor[place] = value;
      const double expected = (above - below) / (2 * kStep);
      EXPECT_NEAR(all[i].view(-1)[place].item<double>(), expected, 1e-7 * (1 + std::abs(expected)))
          << lora_.names()[i] << " dropout " << dropout;
    }
  }
}

TEST_P(Gradient, OfTheFusedLossIsThatOfThePlainOne) {
  const LoraPass pass{&lora_};
  expect_same(gradients(pass, true, kAll), gradients(pass, false, kAll));
}

// Whatever is kept of the way there: nothing, one layer or two besides, everything.
TEST_P(Gradient, OfLayersComputedTwiceIsTheSameToTheBit) {
  const LoraPass pass{&lora_, 0.2, 9};
  const std::vector<at::Tensor> whole = gradients(pass, true, kAll);
  for (const size_t keep_bytes : {kNothing, size_t{20'000}, size_t{60'000}}) {
    const std::vector<at::Tensor> again = gradients(pass, true, keep_bytes);
    for (size_t i = 0; i < whole.size(); ++i) EXPECT_TRUE(again[i].equal(whole[i])) << i;
  }
}

// Texts of a pass add up: what is shared is shared without a trace.
TEST_P(Gradient, OfSeveralTextsIsTheSum) {
  const auto squares = [](const at::Tensor& hidden) { return hidden.square().sum(); };
  const LoraPass pass{&lora_};
  twin_->accumulate_gradient(texts_, pass, squares);
  const std::vector<at::Tensor> together = take_gradients(lora_);
  for (const Continuation& text : texts_) {
    twin_->accumulate_gradient({&text, 1}, pass, squares);
  }
  expect_same(together, take_gradients(lora_));
}

INSTANTIATE_TEST_SUITE_P(Twin, Gradient, ::testing::Values("qwen2", "qwen3", "llama3"),
                         [](const auto& run) { return run.param; });

TEST(VocabularyLogProbabilities, AreThoseOfSoftmax) {
  const at::Tensor hidden = at::linspace(-1, 1, 7 * 5, at::kDouble).view({7, 5}).sin();
  const FrozenMatrix head(at::linspace(-3, 3, 11 * 5, at::kDouble).view({11, 5}).cos());
  const at::Tensor targets = at::tensor({0, 3, 10, 5, 5, 1, 9}, at::kLong);
  const at::Tensor expected = at::log_softmax(at::linear(hidden, head.weights()), -1)
                                  .gather(1, targets.unsqueeze(1))
                                  .squeeze(1);
  const at::Tensor leaf = hidden.clone().requires_grad_();  // which goes another way
  for (const int64_t chunk : {1, 3, 7, 100}) {
    for (const at::Tensor& x : {hidden, leaf}) {
      const at::Tensor result = vocabulary_log_probabilities(x, head, targets, chunk);
      EXPECT_TRUE(result.allclose(expected, 1e-13, 1e-13)) << chunk;
    }
  }
}

// The two ways of its gradient: row_ops.h for CPUs, LibTorch's for other devices.
TEST(VocabularyLogProbabilities, PlainGradientsAreThoseOfTheRows) {
  const at::Tensor logits = at::linspace(-9, 9, 4 * 37, at::kDouble).view({4, 37}).sin() * 5;
  const at::Tensor targets = at::tensor({0, 36, 17, 17}, at::kLong);
  const at::Tensor sums = logits.logsumexp(1);
  EXPECT_TRUE(sums.allclose(log_sum_exp_rows(logits), 1e-13, 1e-13));
  const at::Tensor plain = plain_log_softmax_gradient(logits, sums, targets, at::kDouble);
  const at::Tensor rows = log_softmax_gradient_rows(logits, sums, targets, at::kDouble);
  EXPECT_TRUE(plain.allclose(rows, 1e-12, 1e-12));
}

// The first steps of AdamW by hand: m / (1 - b1^t), v / (1 - b2^t).
TEST(AdamW, TakesTheStepsOfItsFormula) {
  at::Tensor x = at::full({1}, 2.0, at::kDouble).requires_grad_();
  AdamW optimizer({x}, {.weight_decay = 0.1});
  double value = 2;
  double m = 0;
  double v = 0;
  for (int t = 1; t <= 3; ++t) {
    const double gradient = t == 2 ? -0.5 : 3.0;
    x.mutable_grad() = at::full({1}, gradient, at::kDouble);
    optimizer.step(0.01);
    m = 0.9 * m + 0.1 * gradient;
    v = 0.999 * v + 0.001 * gradient * gradient;
    value *= 1 - 0.01 * 0.1;
    value -= 0.01 * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-8);
    EXPECT_NEAR(x.item<double>(), value, 1e-14) << t;
    EXPECT_FALSE(x.grad().defined());
  }
}

TEST(AdamW, ClipsTheNormOfAllGradientsTogether) {
  at::Tensor x = at::zeros({1}).requires_grad_();
  at::Tensor y = at::zeros({1}).requires_grad_();
  at::Tensor unused = at::zeros({1}).requires_grad_();
  AdamW optimizer({x, y, unused}, {});
  x.mutable_grad() = at::full({1}, 3.0f);
  y.mutable_grad() = at::full({1}, -4.0f);
  EXPECT_DOUBLE_EQ(optimizer.clip_gradients(10), 5);
  EXPECT_FLOAT_EQ(x.grad().item<float>(), 3);
  EXPECT_DOUBLE_EQ(optimizer.clip_gradients(1), 5);
  EXPECT_FLOAT_EQ(x.grad().item<float>(), 0.6f);
  EXPECT_FLOAT_EQ(y.grad().item<float>(), -0.8f);
}

TEST(CosineRate, RisesAndFalls) {
  EXPECT_DOUBLE_EQ(cosine_rate(1, 0.1, 0, 20), 0.5);
  EXPECT_DOUBLE_EQ(cosine_rate(1, 0.1, 1, 20), 1);
  EXPECT_DOUBLE_EQ(cosine_rate(1, 0.1, 2, 20), 1);
  EXPECT_DOUBLE_EQ(cosine_rate(1, 0.1, 11, 20), 0.5);
  EXPECT_LT(cosine_rate(1, 0.1, 19, 20), 0.01);
  EXPECT_DOUBLE_EQ(cosine_rate(1, 0, 0, 20), 1);
  EXPECT_DOUBLE_EQ(cosine_rate(1, 1, 19, 20), 1);
}

}  // namespace
}  // namespace pith::train
