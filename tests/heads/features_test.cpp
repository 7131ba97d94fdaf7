// Hidden states as heads are trained on them: to the bit those that the engine's own scoring
// sees; kept on the disk, and gone on with.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "heads/feature_cache.h"
#include "heads/feature_reader.h"
#include "reason/switcher.h"
#include "reason/tiny_reasoner.h"
#include "reason/verifier.h"
#include "support/temporary_folder.h"
#include "support/tiny_pack.h"

namespace pith {
namespace {

using testing::must;
using testing::random_head;
using testing::some_tokens;
using testing::TemporaryFolder;
using testing::TinyReasoner;

constexpr auto never = [] { return false; };

class FeatureReading : public ::testing::Test {
 protected:
  FeatureReading() {
    const ModelConfig& config = tiny.engine->model().config();
    const auto source = random_adapter(config, 4);
    adapter = Adapter::load(*source, config, AdapterPrecision::int8, *tiny.engine.pool).value();
    for (uint64_t p = 0; p < 3; ++p) {
      SampledPrompt prompt;
      prompt.prompt = {some_tokens(60 + 70 * p, p), 50 + 60 * p};
      for (uint64_t s = 0; s < 3; ++s) {
        HeadSample sample;
        sample.completion = some_tokens(1 + 9 * s + p, 10 * p + s);
        if (s == 2) sample.completion.back() = end_of_turn();
        prompt.samples.push_back(std::move(sample));
      }
      prompts.push_back(std::move(prompt));
    }
    wanted.prompt = some_tokens(9, 99);
    wanted.positions = {1, 4, 9};
  }

  TokenId end_of_turn() const {
    TokenId token = 0;
    while (!tiny.tokenizer.ends_generation(token)) ++token;
    return token;
  }

  FeatureModel model() const {
    const std::shared_ptr<const Model> shared(std::shared_ptr<const Model>(),
                                              &tiny.engine.engine->model());
    return {shared, tiny.engine.pool.get(), &tiny.tokenizer, adapter};
  }

  std::vector<Feature> read(std::span<const SampledPrompt> some) {
    FeatureReader reader = FeatureReader::create(model(), 0).value();
    return reader.verifier_features(some, wanted, never).value();
  }

  // What the engine's scoring says of one sample, alone on a sequence.
  double score(const SampledPrompt& prompt, const HeadSample& sample, const Verifier& verifier,
               AdapterId writer) {
    Engine& engine = *tiny.engine;
    const SequenceId sequence = engine.create_sequence();
    std::vector<Row> rows;
    for (size_t i = 0; i < prompt.prompt.ids.size(); ++i) {
      rows.push_back({prompt.prompt.ids[i], sequence, false, false,
                      i < prompt.prompt.boundary ? kNoAdapter : writer});
    }
    for (size_t i = 0; i + 1 < sample.completion.size(); ++i) {
      rows.push_back({sample.completion[i], sequence, false, false, writer});
    }
    must(engine.step(rows));
    const TokenId last = sample.completion.back();
    const FinishedBranch branch{sequence, last, tiny.tokenizer.ends_generation(last), writer};
    const auto scores = score_branches(engine, verifier, {&branch, 1}).value();
    engine.release(sequence);
    return scores[0].value();
  }

  TinyReasoner tiny;
  std::shared_ptr<const Adapter> adapter;
  std::vector<SampledPrompt> prompts;
  VerifierFeatures wanted;
};

TEST_F(FeatureReading, ScoresFromThemAreThoseOfTheVerifier) {
  const AdapterId writer = tiny.engine->add_adapter(adapter);
  const LinearHead head = random_head(64, 1, 3);
  for (const bool with_adapter : {false, true}) {
    wanted.with_adapter = with_adapter;
    wanted.layers = {0, 2};
    const std::vector<Feature> kinds = read(prompts);
    const std::vector<VerifierFeatures::Kind> meant = wanted.kinds();
    ASSERT_EQ(kinds.size(), 8u);
    EXPECT_EQ(kinds[1].name, "branch@2");
    EXPECT_EQ(kinds[3].name, "prompt-4");
    EXPECT_EQ(kinds[7].name, "prompt-9@2");
    size_t row = 0;
    for (const SampledPrompt& prompt : prompts) {
      for (const HeadSample& sample : prompt.samples) {
        for (size_t kind = 0; kind < kinds.size(); ++kind) {
          Verifier verifier{head, {}, 1, with_adapter ? writer : kNoAdapter, meant[kind].layer};
          if (meant[kind].positions > 0) {
            verifier.prompt = wanted.prompt;
            verifier.positions = meant[kind].positions;
          }
          const auto state = std::span(kinds[kind].values).subspan(row * 64, 64);
          EXPECT_EQ(sigmoid(head.apply(state)[0]), score(prompt, sample, verifier, writer))
              << kinds[kind].name << ", row " << row;
        }
        ++row;
      }
    }
    EXPECT_EQ(kinds[0].values.size(), row * 64);
  }
}

TEST_F(FeatureReading, TheSameBitsInAnyCompany) {
  const std::vector<Feature> together = read(prompts);
  size_t row = 0;
  for (const SampledPrompt& prompt : prompts) {
    const std::vector<Feature> alone = read({&prompt, 1});
    for (size_t kind = 0; kind < alone.size(); ++kind) {
      const auto part =
          std::span(together[kind].values).subspan(row * 64, alone[kind].values.size());
      EXPECT_TRUE(std::equal(part.begin(), part.end(), alone[kind].values.begin()));
    }
    row += prompt.samples.size();
  }
}

TEST_F(FeatureReading, PooledStatesAreThoseOfTheSwitcher) {
  std::vector<EncodedPrompt> encoded;
  for (const SampledPrompt& prompt : prompts) encoded.push_back(prompt.prompt);
  FeatureReader reader = FeatureReader::create(model(), 0).value();
  constexpr int32_t kLayer = 2;
  const std::vector<Feature> kinds = reader.prompt_features(encoded, kLayer, never).value();
  ASSERT_EQ(kinds[0].values.size(), 3 * 64u);
  for (size_t i = 0; i < encoded.size(); ++i) {
    const SequenceId sequence = tiny.engine->create_sequence();
    PromptPooler pooler(64);
    for (size_t t = 0; t < encoded[i].boundary; ++t) {
      const Row row{encoded[i].ids[t], sequence, false, true, kNoAdapter, {&kLayer, 1}};
      must(tiny.engine->step({&row, 1}));
      pooler.push(tiny.engine->hidden(0));
    }
    const auto state = std::span(kinds[0].values).subspan(i * 64, 64);
    EXPECT_TRUE(std::equal(state.begin(), state.end(), pooler.pooled().begin()));
    tiny.engine->release(sequence);
  }
}

TEST_F(FeatureReading, StopsWhenItIsTold) {
  FeatureReader reader = FeatureReader::create(model(), 0).value();
  const auto result = reader.verifier_features(prompts, wanted, [] { return true; });
  EXPECT_EQ(result.error().code, ErrorCode::cancelled);
}

// ---- The cache

class Cache : public ::testing::Test {
 protected:
  static FeatureLayout layout() { return {{"a", "b"}, 2, {3, 1}}; }

  Result<Features> load(const nlohmann::ordered_json& settings, bool fail_second = false) {
    auto cache = FeatureCache::open(folder.path() + "/f", settings, layout());
    if (!cache) return tl::unexpected<Error>(cache.error());
    return cache->load(
        [&](size_t part) -> Result<std::vector<Feature>> {
          if (fail_second && part == 1) return fail(ErrorCode::cancelled, "stopped");
          computed.push_back(part);
          const size_t numbers = layout().part_rows[part] * 2;
          const auto number = static_cast<float>(part);
          return std::vector<Feature>{{"a", std::vector<float>(numbers, number)},
                                      {"b", std::vector<float>(numbers, number + 10)}};
        },
        [](size_t) {});
  }

  TemporaryFolder folder;
  std::vector<size_t> computed;
};

TEST_F(Cache, ComputesWhatIsMissing) {
  EXPECT_EQ(load({{"x", 1}}, true).error().code, ErrorCode::cancelled);
  const Features features = load({{"x", 1}}).value();
  EXPECT_EQ(computed, (std::vector<size_t>{0, 1}));
  EXPECT_EQ(features.rows, 4u);
  EXPECT_EQ(features.of("b"), (std::vector<float>{10, 10, 10, 10, 10, 10, 11, 11}));
  EXPECT_EQ(load({{"x", 1}}).value().of("a"), features.of("a"));
  EXPECT_EQ(computed.size(), 2u);
}

TEST_F(Cache, OtherSettingsAreRefusedByName) {
  load({{"x", 1}, {"y", 2}}).value();
  const auto other = load({{"x", 1}, {"y", 3}});
  EXPECT_EQ(other.error().code, ErrorCode::usage);
  EXPECT_NE(other.error().message.find("(y)"), std::string::npos);
}

TEST_F(Cache, ADamagedFileIsNamed) {
  load({{"x", 1}}).value();
  const std::string path = folder.path() + "/f/features-00001.safetensors";
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 4);
  const auto damaged = load({{"x", 1}});
  EXPECT_EQ(damaged.error().code, ErrorCode::corrupt);
  EXPECT_NE(damaged.error().message.find("features-00001"), std::string::npos);
}

TEST_F(Cache, OneProcessAtATime) {
  const auto first = FeatureCache::open(folder.path() + "/f", {{"x", 1}}, layout());
  ASSERT_TRUE(first);
  EXPECT_EQ(load({{"x", 1}}).error().code, ErrorCode::usage);
}

}  // namespace
}  // namespace pith
