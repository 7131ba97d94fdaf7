// The twin against the engine, which is held to transformers and peft by tests of its own.
#include "train/twin.h"

#include <unistd.h>

#include <filesystem>

#include "train/train_fixture.h"

namespace pith::train {
namespace {

using testing::engine_logits;
using testing::make_engine;
using testing::make_twin;
using testing::must;
using testing::random_lora;
using testing::relative_error;
using testing::some_tokens;
using testing::Text;
using testing::twin_logits;

// Two computations in float32 that differ in the order of sums alone: each of some 30
// operations, one after the other, rounds by 2^-24 or so of its size times the square root
// of the length of its sums (8 to 10). That is 30^0.5 * 10 * 2^-24 = 3e-6; thrice that.
constexpr double kFloatError = 1e-5;

const Text kText{some_tokens(21, 1), some_tokens(17, 2)};

class EveryFamily : public ::testing::TestWithParam<std::string> {
 protected:
  TinySpec spec_ = tiny_spec(GetParam());
};

TEST_P(EveryFamily, LogitsAreTheEngines) {
  const auto engine = make_engine(spec_, 1, {.kv_type = KvType::f32});
  const auto twin = make_twin(spec_, at::kFloat);
  EXPECT_LT(
      relative_error(twin_logits(*twin, kText, {}), engine_logits(*engine, kText, kNoAdapter)),
      kFloatError);
}

TEST_P(EveryFamily, LogitsWithAnAdapterAreTheEngines) {
  const auto engine = make_engine(spec_, 1, {.kv_type = KvType::f32});
  const auto twin = make_twin(spec_, at::kFloat);
  const auto source = random_adapter(twin->config(), 32);
  const AdapterId id = engine->add_adapter(
      Adapter::load(*source, twin->config(), AdapterPrecision::f32, *engine.pool).value());
  const Lora lora = Lora::from(*source, twin->config()).value();
  const at::Tensor adapted = twin_logits(*twin, kText, {&lora});
  EXPECT_LT(relative_error(adapted, engine_logits(*engine, kText, id)), kFloatError);
  EXPECT_GT(relative_error(adapted, twin_logits(*twin, kText, {})), 0.05);  // or it proves nothing
}

// What the twin hands over is, in both formats, what the engine then runs.
TEST_P(EveryFamily, AdaptersAreWrittenForTheEngine) {
  const auto engine = make_engine(spec_, 1, {.kv_type = KvType::f32});
  const auto twin = make_twin(spec_, at::kFloat);
  const Lora lora = random_lora(twin->config(), 8, at::kFloat);
  const at::Tensor expected = twin_logits(*twin, kText, {&lora});
  const std::string folder = (std::filesystem::temp_directory_path() /
                              fmt::format("pith-twin-{}-{}", getpid(), GetParam()))
                                 .string();
  const auto source = lora.source({317, 5});
  must(write_peft(*source, twin->config(), folder));
  must(write_gguf_adapter(*source, twin->config(), folder + "/adapter.gguf"));
  for (const std::string& path : {folder, folder + "/adapter.gguf"}) {
    const auto opened = open_adapter(path, twin->config()).value();
    EXPECT_EQ(opened->invocation_tokens(), (std::vector<int32_t>{317, 5}));
    const AdapterId id = engine->add_adapter(
        Adapter::load(*opened, twin->config(), AdapterPrecision::f32, *engine.pool).value());
    EXPECT_LT(relative_error(expected, engine_logits(*engine, kText, id)), kFloatError) << path;
  }
  std::filesystem::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(Twin, EveryFamily,
                         ::testing::Values("qwen2-tied", "qwen2", "qwen3", "llama3"),
                         [](const auto& run) {
                           return run.param == "qwen2-tied" ? "qwen2_tied" : run.param;
                         });

TEST(Twin, ReadsQuantisedWeightsAsTheFormatMeansThem) {
  TinySpec spec = tiny_spec("qwen2").wide();
  spec.matrix_type = DType::q4_k;
  const auto quantised = make_twin(spec, at::kFloat);
  spec.stored_as_f32 = true;
  const auto floats = make_twin(spec, at::kFloat);
  EXPECT_TRUE(twin_logits(*quantised, kText, {}).equal(twin_logits(*floats, kText, {})));
}

// Matrices, what they multiply and the products are rounded to 8 bits, each by 2^-9.8 of its
// size on average (uniform over half a unit of 2^-8). 13 products one after the other:
// 39^0.5 * 2^-9.8 = 0.7 %; thrice that.
TEST(Twin, InBfloat16IsNear) {
  const auto floats = make_twin(tiny_spec("qwen2"), at::kFloat);
  const auto rounded = make_twin(tiny_spec("qwen2"), at::kBFloat16);
  const double error =
      relative_error(twin_logits(*rounded, kText, {}), twin_logits(*floats, kText, {}));
  EXPECT_LT(error, 0.021);
  EXPECT_GT(error, 1e-4);
}

// Sequences of one pass do not see each other, and a prompt may be read before or along.
TEST(Twin, TextsOfAPassAreApart) {
  const auto twin = make_twin(tiny_spec("qwen3"), at::kDouble);
  const Text other{some_tokens(5, 3), some_tokens(9, 4)};
  const Past past = twin->read(kText.prompt);
  const Past other_past = twin->read(other.prompt);
  const Continuation texts[] = {{&past, kText.rest}, {&other_past, other.rest}};
  const at::NoGradGuard no_gradient;
  const at::Tensor both = twin->logits(twin->hidden(texts, {}));
  EXPECT_LT(relative_error(both.slice(0, 0, 17), twin_logits(*twin, kText, {})), 1e-13);
  EXPECT_LT(relative_error(both.slice(0, 17), twin_logits(*twin, other, {})), 1e-13);

  std::vector<TokenId> whole = kText.prompt;
  whole.insert(whole.end(), kText.rest.begin(), kText.rest.end());
  const at::Tensor along = twin_logits(*twin, {{}, whole}, {});
  EXPECT_LT(relative_error(along.slice(0, 21), twin_logits(*twin, kText, {})), 1e-13);
}

TEST(Twin, RefusesWhatTheEngineRefuses) {
  const std::vector<float> bias(64, 0.5f);
  GgufWriter writer = tiny_model(tiny_spec("llama3"));
  const auto bytes = writer.floats("blk.0.attn_output.bias", {64}, bias).bytes();
  ThreadPool pool(1);
  const auto twin = Twin::load(testing::parse_tiny(bytes), at::kFloat, pool);
  ASSERT_FALSE(twin);
  EXPECT_EQ(twin.error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace pith::train
