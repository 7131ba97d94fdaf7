// Switcher and verifier against NumPy (tools/reference/pack_heads.py), pooling whatever the
// steps, scoring on the keys and values that are there.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "io/safetensors.h"
#include "reason/switcher.h"
#include "reason/tiny_reasoner.h"
#include "reason/verifier.h"
#include "support/tiny_pack.h"

namespace pith {
namespace {

using testing::must;
using testing::random_head;
using testing::some_tokens;
using testing::TinyReasoner;

// Between float32 inputs and float64 sums of some dozens of terms of size 10.
constexpr double kTolerance = 1e-5;

std::string data(const std::string& name) { return std::string(PITH_TEST_DATA) + "/packs/" + name; }

class HeadsGolden : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    golden_ = nlohmann::json::parse(read_file(data("golden.json"), 1 << 20).value());
    const auto file = SafetensorsFile::open(data("states.safetensors")).value();
    const SafetensorsTensor& tensor = *file.find("states");
    width_ = tensor.shape[1];
    states_.resize(tensor.shape[0] * width_);
    std::memcpy(states_.data(), tensor.data.data(), tensor.data.size());
  }

  std::span<const float> state(size_t position) const {
    return std::span(states_).subspan(position * width_, width_);
  }

  nlohmann::json golden_;
  size_t width_ = 0;
  std::vector<float> states_;  // [T, C]
};

TEST_P(HeadsGolden, SwitcherEqualsNumpy) {
  const std::string precision = GetParam();
  const auto file = SafetensorsFile::open(data("switcher-" + precision + ".safetensors")).value();
  const Switcher switcher = read_switcher(file).value();
  PromptPooler pooler(switcher.width());
  size_t next = 0;
  for (size_t i = 0; i < golden_["lengths"].size(); ++i) {
    while (next < golden_["lengths"][i].get<size_t>()) pooler.push(state(next++));
    EXPECT_NEAR(switcher.probability(pooler.pooled()),
                golden_["switcher"][precision][i].get<double>(), kTolerance)
        << i;
  }
}

TEST_P(HeadsGolden, VerifierEqualsNumpy) {
  const std::string precision = GetParam();
  const auto file = SafetensorsFile::open(data("verifier-" + precision + ".safetensors")).value();
  const LinearHead head = read_verifier_head(file).value();
  for (size_t i = 0; i < golden_["lengths"].size(); ++i) {
    const auto length = golden_["lengths"][i].get<size_t>();
    const auto count = golden_["positions"][i].get<size_t>();
    std::vector<double> sum(width_);
    for (size_t position = length - count; position < length; ++position) {
      for (size_t c = 0; c < width_; ++c) sum[c] += static_cast<double>(state(position)[c]);
    }
    std::vector<float> mean;
    for (const double s : sum) mean.push_back(static_cast<float>(s / static_cast<double>(count)));
    EXPECT_NEAR(sigmoid(head.apply(mean)[0]), golden_["verifier"][precision][i].get<double>(),
                kTolerance)
        << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, HeadsGolden, ::testing::Values("f32", "f16", "int8"),
                         [](const auto& precision) { return std::string(precision.param); });

TEST(PromptPooler, OneChunkIsTheMean) {
  PromptPooler pooler(1);
  for (int i = 0; i < 100; ++i) pooler.push(std::vector<float>{static_cast<float>(i)});
  EXPECT_EQ(pooler.pooled(), std::vector<float>{49.5f});
}

TEST(PromptPooler, ChunksCountFromThePromptsStart) {
  PromptPooler pooler(1);
  for (int i = 0; i < 128; ++i) pooler.push(std::vector<float>{1});
  EXPECT_EQ(pooler.pooled(), std::vector<float>{1});
  pooler.push(std::vector<float>{3});
  EXPECT_EQ(pooler.pooled(), std::vector<float>{2});  // 0.5 * 3 + 0.5 * 1
  for (int i = 1; i < 128; ++i) pooler.push(std::vector<float>{3});
  for (int i = 0; i < 5; ++i) pooler.push(std::vector<float>{4});
  EXPECT_EQ(pooler.pooled(), std::vector<float>{3});  // 0.5 * 4 + 0.5 * 2
  EXPECT_EQ(pooler.positions(), 261u);
}

// The hidden states of a prompt read in steps of `rows`, pooled.
std::vector<float> pooled_in_steps(size_t rows) {
  EngineOptions options = TinyReasoner::roomy();
  TinyReasoner reasoner(options);
  Engine& engine = *reasoner.engine;
  const auto tokens = some_tokens(300, 5);
  const SequenceId sequence = engine.create_sequence();
  PromptPooler pooler(static_cast<size_t>(engine.model().config().width));
  for (size_t begin = 0; begin < tokens.size(); begin += rows) {
    std::vector<Row> step;
    for (size_t i = begin; i < std::min(begin + rows, tokens.size()); ++i) {
      step.push_back({tokens[i], sequence, false, true, kNoAdapter});
    }
    must(engine.step(step));
    for (size_t row = 0; row < step.size(); ++row) pooler.push(engine.hidden(row));
  }
  return pooler.pooled();
}

TEST(PromptPooler, TheSameBitsForAnySteps) {
  const auto expected = pooled_in_steps(256);
  for (const size_t rows : {1u, 7u, 100u, 128u, 129u}) EXPECT_EQ(pooled_in_steps(rows), expected);
}

// ---- The verifier on sequences

struct Scored {
  std::vector<std::optional<double>> scores;
  std::vector<int32_t> read;  // tokens, by branch
};

class VerifierOnSequences : public ::testing::Test {
 protected:
  static constexpr size_t kPrompt = 20;

  static Verifier verifier(size_t prompt_tokens, int32_t positions = 1) {
    return {random_head(64, 1, 3), some_tokens(prompt_tokens, 77), positions, kNoAdapter};
  }

  // Branches that fork from one prompt and differ in their text; the last token of each
  // has not been read.
  static std::vector<TokenId> text(size_t branch) { return some_tokens(10 + branch, branch); }

  static Scored score(const Verifier& verifier, const std::vector<size_t>& branches,
                      bool ended_turn, int32_t max_rows = 256) {
    EngineOptions options = TinyReasoner::roomy();
    options.max_rows = max_rows;
    TinyReasoner reasoner(options);
    Engine& engine = *reasoner.engine;
    const SequenceId prompt = engine.create_sequence();
    must(engine.prefill(prompt, some_tokens(kPrompt, 1)));
    std::vector<FinishedBranch> finished;
    for (const size_t branch : branches) {
      const auto tokens = text(branch);
      const SequenceId sequence = engine.fork(prompt);
      must(engine.prefill(sequence, std::span(tokens).first(tokens.size() - 1)));
      finished.push_back({sequence, tokens.back(), ended_turn, kNoAdapter});
    }
    Scored scored;
    std::vector<int32_t> before;
    for (const auto& branch : finished) before.push_back(engine.length(branch.sequence));
    scored.scores = score_branches(engine, verifier, finished).value();
    for (size_t i = 0; i < finished.size(); ++i) {
      scored.read.push_back(engine.length(finished[i].sequence) - before[i]);
    }
    return scored;
  }

  // What the head says of a whole sequence that is read at once.
  static double expected(const Verifier& verifier, std::vector<TokenId> tokens) {
    TinyReasoner reasoner;
    Engine& engine = *reasoner.engine;
    const SequenceId sequence = engine.create_sequence();
    std::vector<Row> rows;
    for (const TokenId token : tokens) rows.push_back({token, sequence, false, true, kNoAdapter});
    must(engine.step(rows));
    std::vector<double> sum(64);
    const auto positions = static_cast<size_t>(verifier.positions);
    for (size_t row = rows.size() - positions; row < rows.size(); ++row) {
      for (size_t c = 0; c < 64; ++c) sum[c] += static_cast<double>(engine.hidden(row)[c]);
    }
    std::vector<float> mean;
    for (const double s : sum) mean.push_back(static_cast<float>(s / verifier.positions));
    return sigmoid(verifier.head.apply(mean)[0]);
  }

  static std::vector<TokenId> whole(size_t branch, bool with_last, const Verifier& verifier) {
    std::vector<TokenId> tokens = some_tokens(kPrompt, 1);
    auto own = text(branch);
    if (!with_last) own.pop_back();
    tokens.insert(tokens.end(), own.begin(), own.end());
    tokens.insert(tokens.end(), verifier.prompt.begin(), verifier.prompt.end());
    return tokens;
  }
};

TEST_F(VerifierOnSequences, ScoresWhatAWholeReadingWould) {
  for (const int32_t positions : {1, 3}) {
    const Verifier with_prompt = verifier(5, positions);
    const Scored scored = score(with_prompt, {0, 1, 2}, false);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(scored.scores[i], expected(with_prompt, whole(i, true, with_prompt)));
    }
  }
}

TEST_F(VerifierOnSequences, TheEndOfATurnIsNoText) {
  const Verifier with_prompt = verifier(5);
  const Scored scored = score(with_prompt, {0, 1}, true);
  EXPECT_EQ(scored.scores[1], expected(with_prompt, whole(1, false, with_prompt)));
}

TEST_F(VerifierOnSequences, WithoutAPromptTheBranchItselfIsScored) {
  const Verifier bare = verifier(0);
  for (const bool ended_turn : {false, true}) {
    const Scored scored = score(bare, {0, 1}, ended_turn);
    EXPECT_EQ(scored.scores[0], expected(bare, whole(0, true, bare)));
    EXPECT_EQ(scored.read, (std::vector<int32_t>{1, 1}));
  }
}

TEST_F(VerifierOnSequences, NothingIsReadAgain) {
  EXPECT_EQ(score(verifier(5), {0, 1, 2}, false).read, (std::vector<int32_t>{6, 6, 6}));
  EXPECT_EQ(score(verifier(5), {0, 1, 2}, true).read, (std::vector<int32_t>{5, 5, 5}));
}

TEST_F(VerifierOnSequences, TheSameBitsInAnyCompany) {
  const Verifier with_prompt = verifier(5, 3);
  const auto together = score(with_prompt, {0, 1, 2, 3}, false).scores;
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(score(with_prompt, {i}, false).scores[0], together[i]);
  }
  EXPECT_EQ(score(with_prompt, {0, 1, 2, 3}, false, 7).scores, together);
  EXPECT_NE(together[0], together[1]);
}

TEST_F(VerifierOnSequences, WithoutRoomThereIsNoScore) {
  EngineOptions options = TinyReasoner::roomy();
  options.context_tokens = 12;
  TinyReasoner reasoner(options);
  const SequenceId sequence = reasoner.engine->create_sequence();
  must(reasoner.engine->prefill(sequence, some_tokens(10, 1)));
  const FinishedBranch branch{sequence, 1, false, kNoAdapter};
  const auto scores = score_branches(*reasoner.engine, verifier(5), {&branch, 1});
  ASSERT_TRUE(scores);
  EXPECT_EQ((*scores)[0], std::nullopt);
}

}  // namespace
}  // namespace pith
