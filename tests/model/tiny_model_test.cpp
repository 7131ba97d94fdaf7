// The whole forward pass against `transformers` (tools/reference/tiny_models.py),
// and quantised models against their own weights in F32.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <tuple>
#include <vector>

#include "base/cpu.h"
#include "engine/engine_fixture.h"
#include "golden.h"

namespace pith {
namespace {

using testing::Golden;
using testing::make_engine;
using testing::read_golden;
using testing::relative_error;
using testing::WithIsa;

struct Answer {
  std::vector<float> logits;  // [T, V]
  std::vector<float> hidden;  // [T, C]
};

Answer run(const testing::TinyEngine& engine, const std::vector<TokenId>& tokens) {
  const SequenceId sequence = engine->create_sequence();
  std::vector<Row> rows;
  for (const TokenId token : tokens) rows.push_back({token, sequence, true, true});
  testing::must(engine->step(rows));
  Answer answer;
  for (size_t row = 0; row < rows.size(); ++row) {
    const auto logits = engine->logits(row);
    const auto hidden = engine->hidden(row);
    answer.logits.insert(answer.logits.end(), logits.begin(), logits.end());
    answer.hidden.insert(answer.hidden.end(), hidden.begin(), hidden.end());
  }
  return answer;
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const TinySpec& spec : tiny_specs()) all.push_back(spec.name);
  return all;
}

std::string identifier(std::string text) {
  for (char& c : text) c = c == '-' ? '_' : c;
  return text;
}

class TransformersTest : public ::testing::TestWithParam<std::tuple<std::string, Isa>> {
 protected:
  TransformersTest() : isa_(std::get<1>(GetParam())), golden_(read_golden("tiny/" + name())) {}
  const std::string& name() const { return std::get<0>(GetParam()); }

  WithIsa isa_;
  Golden golden_;
};

// float32 against float32: what is left is the order of sums.
TEST_P(TransformersTest, SameLogits) {
  const EngineOptions options{.kv_type = KvType::f32};
  const Answer answer = run(make_engine(tiny_spec(name()), 1, options), golden_.tokens);
  EXPECT_LT(relative_error(answer.logits, golden_.logits), 1e-4);
  EXPECT_LT(relative_error(answer.hidden, golden_.hidden), 1e-4);
}

// The same with the one rounding that an fp16 cache makes, made there too.
TEST_P(TransformersTest, SameLogitsWithAnFp16Cache) {
  const EngineOptions options{.kv_type = KvType::f16};
  const Answer answer = run(make_engine(tiny_spec(name()), 1, options), golden_.tokens);
  EXPECT_LT(relative_error(answer.logits, golden_.logits_half_kv), 1e-4);
}

// Against pure float32 the rounding of keys and values to fp16 (2^-11 at most,
// 2^-12.8 on average, of each) shows, as it does in transformers itself.
TEST_P(TransformersTest, Fp16CacheCostsItsRoundingOnly) {
  const double rounding = relative_error(golden_.logits_half_kv, golden_.logits);
  const EngineOptions options{.kv_type = KvType::f16};
  const Answer answer = run(make_engine(tiny_spec(name()), 1, options), golden_.tokens);
  EXPECT_LT(relative_error(answer.logits, golden_.logits), 1.2 * rounding);
  EXPECT_LT(relative_error(answer.hidden, golden_.hidden), 1e-3);
}

// The default cache, of 16-bit integers, costs no more than one of fp16.
TEST_P(TransformersTest, Int16CacheCostsNoMoreThanFp16) {
  const double rounding = relative_error(golden_.logits_half_kv, golden_.logits);
  const Answer answer = run(make_engine(tiny_spec(name())), golden_.tokens);
  EXPECT_LT(relative_error(answer.logits, golden_.logits), 1.2 * rounding);
  EXPECT_LT(relative_error(answer.hidden, golden_.hidden), 1e-3);
}

TEST_P(TransformersTest, Int8CacheStaysNear) {
  const EngineOptions options{.kv_type = KvType::int8};
  const Answer answer = run(make_engine(tiny_spec(name()), 1, options), golden_.tokens);
  EXPECT_LT(relative_error(answer.logits, golden_.logits), 0.02);
}

INSTANTIATE_TEST_SUITE_P(AllFamilies, TransformersTest,
                         ::testing::Combine(::testing::ValuesIn(names()),
                                            ::testing::ValuesIn(available_isas())),
                         [](const auto& param) {
                           return identifier(std::get<0>(param.param)) + "_" +
                                  std::string(isa_name(std::get<1>(param.param)));
                         });

// A quantised model and the same values stored as F32, on the best kernels (the
// others give the same bits). What differs is that the rows are rounded to 8 bits
// for quantised matrices: in steps of the largest of a block / 127, which is about
// 2.1 sigma of 32 values and 2.8 of 256, so by 2.1 / 127 / sqrt(12) = 0.5 % and
// 0.65 % of a row's size. 3 layers of 4 products and the head, one after the other,
// add up to sqrt(13) times that: 1.7 % and 2.3 %. The bound is twice as much.
double bound_of(DType type) {
  const uint32_t block = dtype_info(type).block_elements;
  return block == 1 ? 1e-6 : block == 32 ? 0.034 : 0.046;
}

class QuantisedTest : public ::testing::TestWithParam<DType> {};

TEST_P(QuantisedTest, EqualsItsValuesInF32) {
  const std::vector<TokenId> tokens = testing::some_tokens(40, 1);
  // Each type with one family, each family with several types.
  const std::vector<TinySpec> families = tiny_specs();
  TinySpec spec = families[static_cast<size_t>(GetParam()) % families.size()].wide();
  spec.matrix_type = GetParam();
  const Answer quantised = run(make_engine(spec), tokens);
  spec.stored_as_f32 = true;
  const Answer floats = run(make_engine(spec), tokens);
  EXPECT_LT(relative_error(quantised.logits, floats.logits), bound_of(GetParam())) << spec.name;
}

std::vector<DType> all_types() {
  std::vector<DType> types;
  for (uint32_t id = 0; id < 100; ++id) {
    if (const auto type = dtype_from_id(id)) types.push_back(*type);
  }
  return types;
}

// Without its bias a layer's result would be another one.
TEST(TinyModel, RefusesATensorThatItsArchitectureDoesNotHave) {
  const std::vector<float> bias(64, 0.5f);
  GgufWriter writer = tiny_model(tiny_spec("llama3"));
  const std::vector<uint8_t> bytes = writer.floats("blk.0.attn_output.bias", {64}, bias).bytes();
  ThreadPool pool(1);
  auto file = std::make_shared<const GgufFile>(GgufFile::parse(bytes, "tiny.gguf").value());
  const auto model = Model::load(file, pool);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::unsupported);
  EXPECT_NE(model.error().message.find("blk.0.attn_output.bias"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(AllTypes, QuantisedTest, ::testing::ValuesIn(all_types()),
                         [](const auto& param) {
                           return std::string(dtype_info(param.param).name);
                         });

}  // namespace
}  // namespace pith
