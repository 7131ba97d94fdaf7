// What the engine refuses, and that a refusal changes nothing.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/engine_fixture.h"

namespace pith {
namespace {

using testing::logits_after;
using testing::make_engine;
using testing::must;
using testing::some_tokens;

TEST(Engine, ResolvesItsDefaults) {
  auto engine = make_engine(tiny_spec("qwen2"));
  EXPECT_EQ(engine->options().context_tokens, static_cast<int32_t>(kTinyContext));
  EXPECT_EQ(engine->options().kv_tokens, static_cast<int64_t>(kTinyContext));
  // 3 layers x (keys + values) x 2 heads x (16 x int16, and a scale)
  EXPECT_EQ(engine->kv_bytes_per_token(), 3u * 2 * 2 * (16 * 2 + 4));
}

TEST(Engine, RefusesOptionsOutOfRange) {
  auto engine = make_engine(tiny_spec("qwen2"));
  const auto refuse = [&](EngineOptions options) {
    const auto model = std::shared_ptr<const Model>(std::shared_ptr<void>(), &engine->model());
    const auto created = Engine::create(model, *engine.pool, options);
    return created ? ErrorCode::io : created.error().code;
  };
  EXPECT_EQ(refuse({.context_tokens = -1}), ErrorCode::usage);
  EXPECT_EQ(refuse({.context_tokens = kTinyContext + 1}), ErrorCode::usage);
  EXPECT_EQ(refuse({.kv_tokens = -5}), ErrorCode::usage);
  EXPECT_EQ(refuse({.max_rows = 0}), ErrorCode::usage);
  EXPECT_EQ(refuse({.max_rows = 1 << 20}), ErrorCode::usage);
  EXPECT_EQ(refuse({.kv_tokens = int64_t{1} << 35}), ErrorCode::exhausted);
}

TEST(Engine, RefusesRowsThatCannotBe) {
  auto engine = make_engine(tiny_spec("qwen2"), 1, {.max_rows = 4});
  const SequenceId sequence = engine->create_sequence();
  const auto code = [&](const std::vector<Row>& rows) {
    const Status status = engine->step(rows);
    return status ? ErrorCode::io : status.error().code;
  };
  EXPECT_EQ(code({{-1, sequence}}), ErrorCode::usage);
  EXPECT_EQ(code({{static_cast<TokenId>(kTinyVocabulary), sequence}}), ErrorCode::usage);
  EXPECT_EQ(code({{1, sequence + 1}}), ErrorCode::usage);
  EXPECT_EQ(code(std::vector<Row>(5, Row{1, sequence})), ErrorCode::usage);
  EXPECT_EQ(engine->length(sequence), 0);
  EXPECT_EQ(engine->free_kv_tokens(), static_cast<int64_t>(kTinyContext));
}

TEST(Engine, AFullContextChangesNothing) {
  auto engine = make_engine(tiny_spec("qwen2"), 1, {.context_tokens = 100, .kv_tokens = 256});
  const SequenceId sequence = engine->create_sequence();
  must(engine->prefill(sequence, some_tokens(99, 1)));
  const Status status = engine->prefill(sequence, some_tokens(2, 2));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::exhausted);
  EXPECT_NE(status.error().message.find("101"), std::string::npos) << status.error().message;
  EXPECT_EQ(engine->length(sequence), 99);
  must(engine->prefill(sequence, some_tokens(1, 2)));
  EXPECT_EQ(engine->length(sequence), 100);
}

TEST(Engine, APrefillThatFailsHalfWayIsTakenBack) {
  auto engine =
      make_engine(tiny_spec("qwen2"), 1, {.context_tokens = 512, .kv_tokens = 128, .max_rows = 32});
  const SequenceId sequence = engine->create_sequence();
  const auto start = some_tokens(20, 1);
  must(engine->prefill(sequence, start));
  EXPECT_FALSE(engine->prefill(sequence, some_tokens(200, 2)));
  EXPECT_EQ(engine->length(sequence), 20);
  EXPECT_EQ(engine->free_kv_tokens(), 64);
}

TEST(Engine, TruncatedIsAsIfItHadNeverBeen) {
  auto engine = make_engine(tiny_spec("llama3"), 1, {.kv_tokens = 1024});
  const auto tokens = some_tokens(150, 3);
  const SequenceId sequence = engine->create_sequence();
  must(engine->prefill(sequence, tokens));
  engine->truncate(sequence, 70);
  const auto more = some_tokens(30, 4);
  must(engine->prefill(sequence, more));
  const auto logits = testing::copy_logits(*engine, engine->last_prefill_row());
  std::vector<TokenId> all(tokens.begin(), tokens.begin() + 70);
  all.insert(all.end(), more.begin(), more.end());
  EXPECT_EQ(logits_after(*engine, all), logits);
}

TEST(Engine, SmallerCachesStayNearTheExactOne) {
  const auto tokens = some_tokens(200, 8);
  const auto run = [&](KvType type) {
    auto engine = make_engine(tiny_spec("qwen2"), 1, {.kv_type = type});
    return logits_after(*engine, tokens);
  };
  const auto distance = [](const std::vector<float>& a, const std::vector<float>& b) {
    double difference = 0;
    double norm = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      difference += (a[i] - b[i]) * (a[i] - b[i]);
      norm += a[i] * a[i];
    }
    return std::sqrt(difference / norm);
  };
  const auto exact = run(KvType::f32);
  const double half = distance(exact, run(KvType::f16));
  const double whole = distance(exact, run(KvType::int16));
  const double bytes = distance(exact, run(KvType::int8));
  EXPECT_GT(half, 0);
  EXPECT_GT(whole, 0);
  EXPECT_LT(half, 2e-3);   // 2^-11 an element, a few layers
  EXPECT_LT(whole, 2e-3);  // 1/8191 of the largest element of a head or less
  EXPECT_LT(bytes, 2e-2);  // 1/254 of the largest element of a head
  EXPECT_LT(half, bytes);
}

}  // namespace
}  // namespace pith
