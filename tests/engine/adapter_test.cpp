// Adapters in the engine: a row's result is the same bits whatever adapters the other
// rows of the step have, and a sequence may change its adapter at any position.
#include <gtest/gtest.h>

#include "engine/engine_fixture.h"

namespace pith {
namespace {

using testing::copy_logits;
using testing::make_engine;
using testing::must;
using testing::some_tokens;
using testing::TinyEngine;

AdapterId add_random(const TinyEngine& engine, size_t rank, AdapterPrecision precision) {
  const ModelConfig& config = engine->model().config();
  const auto source = random_adapter(config, rank);
  return engine->add_adapter(Adapter::load(*source, config, precision, *engine.pool).value());
}

// Tokens with the adapter of each, one after the other on a sequence of their own, in
// chunks; the logits after the last.
using Text = std::vector<std::pair<TokenId, AdapterId>>;

Text with_adapter(const std::vector<TokenId>& tokens, AdapterId adapter) {
  Text text;
  for (const TokenId token : tokens) text.emplace_back(token, adapter);
  return text;
}

std::vector<float> read(Engine& engine, const Text& text, size_t chunk) {
  const SequenceId sequence = engine.create_sequence();
  std::vector<float> last;
  for (size_t begin = 0; begin < text.size(); begin += chunk) {
    std::vector<Row> rows;
    for (size_t i = begin; i < std::min(begin + chunk, text.size()); ++i) {
      rows.push_back({text[i].first, sequence, true, false, text[i].second});
    }
    must(engine.step(rows));
    last = copy_logits(engine, rows.size() - 1);
  }
  engine.release(sequence);
  return last;
}

struct AdapterCase {
  const char* model;
  DType type;
  AdapterPrecision precision;
};

class Adapters : public ::testing::TestWithParam<AdapterCase> {
 protected:
  TinyEngine engine(int threads) {
    TinySpec spec = tiny_spec(GetParam().model);
    if (GetParam().type != DType::f32) spec = spec.wide();
    spec.layers = 2;
    spec.matrix_type = GetParam().type;
    EngineOptions options;
    options.max_rows = 128;
    options.kv_tokens = 8192;
    TinyEngine engine = make_engine(spec, threads, options);
    a_ = add_random(engine, 8, GetParam().precision);
    b_ = add_random(engine, 40, GetParam().precision);
    return engine;
  }

  AdapterId a_ = kNoAdapter;
  AdapterId b_ = kNoAdapter;
};

TEST_P(Adapters, ChangeTheResult) {
  const TinyEngine engine = this->engine(1);
  const auto tokens = some_tokens(20, 1);
  const auto base = read(*engine, with_adapter(tokens, kNoAdapter), 20);
  const auto a = read(*engine, with_adapter(tokens, a_), 20);
  EXPECT_NE(a, base);
  EXPECT_NE(a, read(*engine, with_adapter(tokens, b_), 20));
}

// Base rows and rows of two adapters that branch from one prompt, in one step, against
// runs that never met; the order of the rows is mixed up too.
TEST_P(Adapters, MixedStepsEqualSeparateRuns) {
  constexpr size_t kBranches = 6;
  constexpr size_t kSteps = 20;
  const auto prompt = some_tokens(50, 2);
  const TinyEngine single = engine(1);
  for (const int threads : {1, 3}) {
    const TinyEngine mixed = engine(threads);
    const AdapterId adapters[kBranches] = {a_, kNoAdapter, b_, a_, b_, kNoAdapter};
    const SequenceId root = mixed->create_sequence();
    must(mixed->prefill(root, prompt));
    std::vector<Row> rows;
    for (const AdapterId adapter : adapters) {
      rows.push_back({0, mixed->fork(root), true, false, adapter});
    }
    for (size_t step = 0; step < kSteps; ++step) {
      for (size_t b = 0; b < kBranches; ++b) rows[b].token = some_tokens(kSteps, 10 + b)[step];
      must(mixed->step(rows));
    }
    for (size_t b = 0; b < kBranches; ++b) {
      Text text = with_adapter(prompt, kNoAdapter);
      const Text more = with_adapter(some_tokens(kSteps, 10 + b), adapters[b]);
      text.insert(text.end(), more.begin(), more.end());
      EXPECT_EQ(copy_logits(*mixed, b), read(*single, text, 1)) << threads << " threads, " << b;
    }
  }
}

// A text whose adapter changes many times, cut in any way: within a step, the rows of
// one sequence belong to several adapters.
TEST_P(Adapters, AnyChunksOfATextThatChangesItsAdapter) {
  const TinyEngine one = engine(1);
  Text text;
  for (const TokenId token : some_tokens(100, 3)) {
    const AdapterId adapters[] = {kNoAdapter, b_, a_};
    text.emplace_back(token, adapters[text.size() / 7 % 3]);
  }
  const auto reference = read(*one, text, 1);
  for (const size_t chunk : {5u, 16u, 33u, 100u}) {
    EXPECT_EQ(read(*one, text, chunk), reference) << chunk;
    EXPECT_EQ(read(*engine(3), text, chunk), reference) << chunk << ", 3 threads";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, Adapters,
    ::testing::Values(AdapterCase{"qwen2", DType::f32, AdapterPrecision::f32},
                      AdapterCase{"llama3", DType::f32, AdapterPrecision::f16},
                      AdapterCase{"qwen3", DType::q4_k, AdapterPrecision::int8},
                      AdapterCase{"qwen2-tied", DType::q8_0, AdapterPrecision::int4},
                      AdapterCase{"llama3", DType::q6_k, AdapterPrecision::f16}),
    [](const auto& run) { return "AdapterCase" + std::to_string(run.index); });

// What the engine takes to switch the adapter on: the new tokens, and no others.
TEST(AdapterSwitch, ReadsNothingAgain) {
  const TinyEngine engine = make_engine(tiny_spec("qwen2"));
  const AdapterId adapter = add_random(engine, 8, AdapterPrecision::int8);
  const auto prompt = some_tokens(100, 4);
  const SequenceId base = engine->create_sequence();
  must(engine->prefill(base, prompt));
  const SequenceId adapted = engine->fork(base);
  const int64_t free = engine->free_kv_tokens();
  const Row rows[] = {{7, base, true}, {7, adapted, true, false, adapter}};
  must(engine->step(rows));
  EXPECT_NE(copy_logits(*engine, 0), copy_logits(*engine, 1));
  EXPECT_EQ(engine->length(adapted), 101);
  EXPECT_EQ(engine->free_kv_tokens(), free - kKvBlock);  // the last block's copy alone
}

TEST(AdapterSpans, FollowForksAndTruncations) {
  const TinyEngine engine = make_engine(tiny_spec("qwen2"));
  const AdapterId a = add_random(engine, 8, AdapterPrecision::int8);
  const AdapterId b = add_random(engine, 8, AdapterPrecision::int8);
  const SequenceId sequence = engine->create_sequence();
  const auto spans = [&](SequenceId id) {
    const auto all = engine->adapter_spans(id);
    return std::vector<AdapterSpan>(all.begin(), all.end());
  };
  EXPECT_TRUE(spans(sequence).empty());
  must(engine->prefill(sequence, some_tokens(10, 5)));
  const Row rows[] = {{1, sequence, false, false, a},
                      {2, sequence, false, false, a},
                      {3, sequence, false, false, b},
                      {4, sequence}};
  must(engine->step(rows));
  const std::vector<AdapterSpan> all = {{0, kNoAdapter}, {10, a}, {12, b}, {13, kNoAdapter}};
  EXPECT_EQ(spans(sequence), all);

  const SequenceId child = engine->fork(sequence);
  engine->truncate(sequence, 12);
  EXPECT_EQ(spans(sequence), (std::vector<AdapterSpan>{{0, kNoAdapter}, {10, a}}));
  EXPECT_EQ(spans(child), all);
  engine->truncate(sequence, 0);
  EXPECT_TRUE(spans(sequence).empty());
}

TEST(AdapterIds, OnesThatAreGoneAreRefusedAndNeverReused) {
  const TinyEngine engine = make_engine(tiny_spec("qwen2"));
  const SequenceId sequence = engine->create_sequence();
  const AdapterId adapter = add_random(engine, 8, AdapterPrecision::int8);
  const Row row{1, sequence, false, false, adapter};
  must(engine->step({&row, 1}));
  engine->remove_adapter(adapter);
  const Status status = engine->step({&row, 1});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::usage);
  EXPECT_EQ(status.error().message, fmt::format("there is no adapter {}", adapter));
  EXPECT_EQ(engine->length(sequence), 1);
  EXPECT_NE(add_random(engine, 8, AdapterPrecision::int8), adapter);
}

}  // namespace
}  // namespace pith
