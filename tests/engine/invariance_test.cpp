// A row's result is the same bits whatever else is in the step, however the
// prompt was cut, whether blocks are shared, and however many threads run.
#include <gtest/gtest.h>

#include "engine/engine_fixture.h"

namespace pith {
namespace {

using testing::copy_logits;
using testing::logits_after;
using testing::make_engine;
using testing::must;
using testing::some_tokens;

struct InvarianceCase {
  std::string model;
  DType type;
  KvType kv;
};

class Invariance : public ::testing::TestWithParam<InvarianceCase> {
 protected:
  TinySpec spec() const {
    TinySpec spec = tiny_spec(GetParam().model);
    if (GetParam().type != DType::f32) spec = spec.wide();
    spec.layers = 2;
    spec.matrix_type = GetParam().type;
    return spec;
  }
  EngineOptions options(int32_t max_rows = 64) const {
    EngineOptions options;
    options.kv_type = GetParam().kv;
    options.max_rows = max_rows;
    options.kv_tokens = 16384;
    return options;
  }
};

TEST_P(Invariance, AnyChunksAndAnyThreads) {
  const auto tokens = some_tokens(333, 1);
  auto reference_engine = make_engine(spec(), 1, options());
  const auto reference = logits_after(*reference_engine, tokens);
  for (const auto& [threads, chunk] :
       std::vector<std::pair<int, int32_t>>{{1, 1}, {2, 7}, {3, 16}, {4, 17}, {2, 128}, {1, 333}}) {
    auto engine = make_engine(spec(), threads, options(chunk));
    EXPECT_EQ(logits_after(*engine, tokens), reference) << threads << " threads, chunks " << chunk;
  }
}

// Eight branches of one prompt, each with its own continuation, against eight
// sequences that never met.
TEST_P(Invariance, BranchesEqualSingleRuns) {
  constexpr size_t kBranches = 8;
  constexpr size_t kSteps = 36;  // over a block's end
  const auto prompt = some_tokens(100, 2);
  auto engine = make_engine(spec(), 2, options());
  const SequenceId root = engine->create_sequence();
  must(engine->prefill(root, prompt));
  std::vector<SequenceId> branches;
  for (size_t b = 0; b < kBranches; ++b) branches.push_back(engine->fork(root));

  std::vector<std::vector<float>> last(kBranches);
  for (size_t step = 0; step < kSteps; ++step) {
    std::vector<Row> rows;
    for (size_t b = 0; b < kBranches; ++b) {
      rows.push_back({some_tokens(kSteps, 10 + b)[step], branches[b], /*want_logits=*/true});
    }
    must(engine->step(rows));
    for (size_t b = 0; b < kBranches; ++b) last[b] = copy_logits(*engine, b);
  }
  const auto single = make_engine(spec(), 1, options(1));
  for (size_t b = 0; b < kBranches; ++b) {
    auto tokens = prompt;
    const auto more = some_tokens(kSteps, 10 + b);
    tokens.insert(tokens.end(), more.begin(), more.end());
    EXPECT_EQ(logits_after(*single, tokens), last[b]) << "branch " << b;
  }
}

// A prompt chunk of one client, a decoding branch of another, in one step.
TEST_P(Invariance, AnyMixOfRows) {
  const auto long_prompt = some_tokens(90, 3);
  const auto short_prompt = some_tokens(5, 4);
  auto engine = make_engine(spec(), 2, options(128));
  const auto long_alone = logits_after(*engine, long_prompt);
  const auto short_alone = logits_after(*engine, short_prompt);

  const SequenceId a = engine->create_sequence();
  const SequenceId b = engine->create_sequence();
  std::vector<Row> rows;
  for (size_t i = 0; i < long_prompt.size(); ++i) {
    rows.push_back({long_prompt[i], a, i + 1 == long_prompt.size()});
    if (i % 20 == 10) rows.push_back({short_prompt[i / 20], b, i / 20 + 1 == short_prompt.size()});
  }
  must(engine->step(rows));
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].want_logits) continue;
    EXPECT_EQ(copy_logits(*engine, i), rows[i].sequence == a ? long_alone : short_alone);
  }
}

TEST_P(Invariance, HiddenStatesToo) {
  const auto tokens = some_tokens(40, 5);
  auto engine = make_engine(spec(), 2, options());
  const auto run = [&](bool with_logits) {
    const SequenceId sequence = engine->create_sequence();
    std::vector<Row> rows;
    for (const TokenId token : tokens) rows.push_back({token, sequence, with_logits, true});
    must(engine->step(rows));
    engine->release(sequence);
    const auto hidden = engine->hidden(tokens.size() - 1);
    return std::vector<float>(hidden.begin(), hidden.end());
  };
  EXPECT_EQ(run(true), run(false));
}

// A tiny model's tensors follow from their names, so that one of fewer layers is its beginning.
TEST_P(Invariance, StatesBehindALayerAreThoseOfAModelThatEndsThere) {
  const auto tokens = some_tokens(40, 6);
  auto engine = make_engine(spec(), 2, options());
  const auto all = static_cast<int32_t>(spec().layers);
  const std::vector<int32_t> layers = {all, 0, 1};
  std::vector<Row> rows;
  const SequenceId sequence = engine->create_sequence();
  for (const TokenId token : tokens) rows.push_back({token, sequence, false, true});
  rows[7].hidden_layers = layers;
  rows[39].hidden_layers = layers;
  rows[39].want_logits = true;
  must(engine->step(rows));
  const auto copy = [](std::span<const float> state) {
    return std::vector<float>(state.begin(), state.end());
  };
  for (size_t place = 0; place < layers.size(); ++place) {
    TinySpec shorter = spec();
    if (layers[place] == 1) shorter.layers = 1;
    auto other = make_engine(shorter, 1, options());
    const SequenceId same = other->create_sequence();
    std::vector<Row> plain;
    for (const TokenId token : tokens) plain.push_back({token, same, false, true});
    plain[39].want_logits = true;
    must(other->step(plain));
    for (const size_t row : {size_t{7}, size_t{39}}) {
      EXPECT_EQ(copy(engine->hidden(row, place)), copy(other->hidden(row))) << layers[place];
    }
    if (layers[place] == 0) {
      EXPECT_EQ(copy_logits(*engine, 39), copy_logits(*other, 39));
      EXPECT_EQ(copy(engine->hidden(8)), copy(other->hidden(8)));
    }
  }
  const std::vector<int32_t> none = {all + 1};
  rows.resize(1);
  rows[0].hidden_layers = none;
  const Status status = engine->step(rows);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::usage);
  EXPECT_NE(status.error().message.find("there is no layer"), std::string::npos)
      << status.error().message;
}

INSTANTIATE_TEST_SUITE_P(Models, Invariance,
                         ::testing::Values(InvarianceCase{"qwen2", DType::f32, KvType::f16},
                                           InvarianceCase{"qwen2", DType::f32, KvType::int16},
                                           InvarianceCase{"llama3", DType::f32, KvType::int8},
                                           InvarianceCase{"qwen3", DType::q4_k, KvType::f16},
                                           InvarianceCase{"qwen2", DType::q6_k, KvType::int8},
                                           InvarianceCase{"qwen2-tied", DType::q8_0, KvType::f32},
                                           InvarianceCase{"llama3", DType::q4_0, KvType::int16}),
                         [](const auto& run) {
                           std::string name = run.param.model + "_" +
                                              std::string(dtype_info(run.param.type).name) + "_kv" +
                                              std::to_string(int(run.param.kv));
                           for (char& c : name) {
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           }
                           return name;
                         });

// Long enough for several spans: with few threads one task folds them, with many
// they are shared out and merged.
TEST(LongContext, SpansMergeTheSameWay) {
  TinySpec spec = tiny_spec("qwen2");
  spec.context = 4096;
  const auto tokens = some_tokens(3000, 6);
  EngineOptions options;
  options.max_rows = 256;
  auto one = make_engine(spec, 1, options);
  auto many = make_engine(spec, 8, options);
  const auto run = [&](Engine& engine) {
    const SequenceId sequence = engine.create_sequence();
    must(engine.prefill(sequence, tokens));
    const Row row{7, sequence, true};
    must(engine.step({&row, 1}));
    return copy_logits(engine, 0);
  };
  EXPECT_EQ(run(*one), run(*many));
}

}  // namespace
}  // namespace pith
