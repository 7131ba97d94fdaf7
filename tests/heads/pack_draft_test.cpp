// Packs put together and changed: whole at any time, nothing lost on the way.
#include "heads/pack_draft.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "reason/tiny_reasoner.h"
#include "support/temporary_folder.h"
#include "support/tiny_pack.h"

namespace pith {
namespace {

using testing::must;
using testing::random_head;
using testing::TemporaryFolder;
using testing::TinyReasoner;
namespace fs = std::filesystem;

const std::string kSha256(64, 'a');

class Drafts : public ::testing::Test {
 protected:
  Drafts() : config(tiny.engine->model().config()), path(folder.path() + "/maths") {
    must(write_peft(*random_adapter(config, 32), config, folder.path() + "/adapter"));
  }

  PackDraft begin() {
    PackDraft draft = PackDraft::begin(path).value();
    draft.pack().base = {"tiny", kSha256};
    return draft;
  }
  void publish(PackDraft& draft) { must(draft.publish(config, kSha256)); }

  TinyReasoner tiny;
  const ModelConfig& config;
  TemporaryFolder folder;
  std::string path;
};

TEST_F(Drafts, FromPartsToAPack) {
  {
    PackDraft draft = begin();
    EXPECT_TRUE(draft.is_new());
    must(draft.set_adapter(folder.path() + "/adapter", config, std::nullopt));
    must(draft.set_verifier(random_head(64, 1, 3), HeadPrecision::int8));
    must(draft.write_note("verifier.json", "{}"));
    EXPECT_FALSE(fs::exists(path));
    publish(draft);
  }
  EXPECT_EQ(folder.entries(), 2u);  // nothing beside the pack and the adapter
  const std::string verifier = read_file(path + "/verifier.safetensors", 1 << 20).value();
  PackDraft draft = begin();
  EXPECT_FALSE(draft.is_new());
  must(draft.set_switcher(Switcher{random_head(64, 8, 1), random_head(8, 1, 2)},
                          HeadPrecision::f16));
  draft.pack().budgets.think = 77;
  publish(draft);
  const Pack pack = open_pack(path).value();
  EXPECT_EQ(pack.name, "maths");
  EXPECT_EQ(pack.budgets.think, 77);
  EXPECT_EQ(pack.adapter, "adapter");
  EXPECT_TRUE(pack.switcher && pack.verifier);
  // The head that was there is not stored anew.
  EXPECT_EQ(read_file(path + "/verifier.safetensors", 1 << 20).value(), verifier);
  EXPECT_TRUE(fs::exists(path + "/verifier.json"));
  EXPECT_EQ(folder.entries(), 2u);
}

TEST_F(Drafts, AHeadIsWhatIsStored) {
  PackDraft draft = begin();
  const LinearHead head = random_head(64, 1, 3);
  must(draft.set_verifier(head, HeadPrecision::int8));
  const LinearHead stored = *draft.pack().verifier;
  EXPECT_NE(stored.weight, head.weight);
  publish(draft);
  EXPECT_EQ(open_pack(path)->verifier->weight, stored.weight);
}

TEST_F(Drafts, HeadsWithNamesOfTheirOwnAreKept) {
  PackDraft first = begin();
  must(first.set_verifier(random_head(64, 1, 3), HeadPrecision::f32));
  must(first.set_switcher(Switcher{random_head(64, 8, 1), random_head(8, 1, 2)},
                          HeadPrecision::f32));
  publish(first);
  const Pack before = open_pack(path).value();
  // Each has the other's name.
  fs::rename(path + "/verifier.safetensors", path + "/x");
  fs::rename(path + "/switcher.safetensors", path + "/verifier.safetensors");
  fs::rename(path + "/x", path + "/switcher.safetensors");
  must(write_pack_manifest(before, "verifier.safetensors", "switcher.safetensors"));
  PackDraft draft = begin();
  publish(draft);
  const Pack after = open_pack(path).value();
  EXPECT_EQ(after.verifier->weight, before.verifier->weight);
  EXPECT_EQ(after.switcher->hidden.weight, before.switcher->hidden.weight);
}

TEST_F(Drafts, ADraftThatFailsLeavesThePackAsItWas) {
  PackDraft first = begin();
  publish(first);
  const std::string before = read_file(path + "/pack.json", 1 << 20).value();
  {
    PackDraft draft = begin();
    must(draft.set_verifier(random_head(32, 1, 3), HeadPrecision::f32));  // of another width
    const Status status = draft.publish(config, kSha256);
    EXPECT_EQ(status.error().code, ErrorCode::unsupported);
  }
  EXPECT_EQ(read_file(path + "/pack.json", 1 << 20).value(), before);
  EXPECT_EQ(folder.entries(), 2u);
}

TEST_F(Drafts, WhatIsNoPackIsLeftAlone) {
  fs::create_directory(path);
  must(write_file(path + "/mine", "x"));
  EXPECT_NE(PackDraft::begin(path).error().message.find("no reasoning pack"), std::string::npos);
  EXPECT_TRUE(fs::exists(path + "/mine"));
}

// Largest error of a factor's product, beside its largest number.
double error_of(const AdapterSource& a, const AdapterSource& b, const ModelConfig& config) {
  double worst = 0;
  for (int32_t layer = 0; layer < config.layers; ++layer) {
    const LowRank x = a.read(layer, LayerMatrix::up).value();
    const LowRank y = b.read(layer, LayerMatrix::up).value();
    const size_t rank = a.rank(layer, LayerMatrix::up);
    const size_t inputs = x.a.size() / rank;
    double largest = 0;
    double error = 0;
    for (size_t i = 0; i < inputs; ++i) {
      double one = 0;
      double other = 0;
      for (size_t r = 0; r < rank; ++r) {
        one += x.scale * static_cast<double>(x.b[r]) * static_cast<double>(x.a[r * inputs + i]);
        other += y.scale * static_cast<double>(y.b[r]) * static_cast<double>(y.a[r * inputs + i]);
      }
      largest = std::max(largest, std::abs(one));
      error = std::max(error, std::abs(one - other));
    }
    worst = std::max(worst, error / largest);
  }
  return worst;
}

// B as small as it is after a short training: 16-bit numbers are coarse there.
class SmallB : public AdapterSource {
 public:
  SmallB(const AdapterSource& source, float factor) : source_(source), factor_(factor) {}
  size_t rank(int32_t layer, LayerMatrix matrix) const override {
    return source_.rank(layer, matrix);
  }
  Result<LowRank> read(int32_t layer, LayerMatrix matrix) const override {
    PITH_TRY(LowRank pair, source_.read(layer, matrix));
    for (float& value : pair.b) value *= factor_;
    return pair;
  }
  const std::vector<int32_t>& invocation_tokens() const override {
    return source_.invocation_tokens();
  }

 private:
  const AdapterSource& source_;
  float factor_;
};

TEST_F(Drafts, AdaptersInFewerBits) {
  for (const size_t rank : {32u, 8u}) {
    for (const float factor : {1.0f, 1e-6f}) {
      const auto random = random_adapter(config, rank);
      const SmallB source(*random, factor);
      const std::string file = folder.path() + "/a.gguf";
      must(write_gguf_adapter(source, config, file));
      const auto whole_bytes = fs::file_size(file);
      must(write_gguf_adapter(source, config, file, AdapterStorage::f16));
      EXPECT_LT(error_of(source, *open_adapter(file, config).value(), config), 2e-3);
      const auto half_bytes = fs::file_size(file);
      must(write_gguf_adapter(source, config, file, AdapterStorage::int8));
      // A step is 1/254 of the largest number of a block; errors of a sum of 32 average out.
      EXPECT_LT(error_of(source, *open_adapter(file, config).value(), config), 2e-2);
      EXPECT_LT(half_bytes, 0.7 * static_cast<double>(whole_bytes));
      EXPECT_LT(fs::file_size(file), half_bytes);
    }
  }
}

TEST_F(Drafts, FiguresOfAReport) {
  EvalRun run;
  run.task = "gsm8k";
  run.data = "test.jsonl";
  run.samples = 2;
  run.settings = {{"model_sha256", kSha256}, {"budget", 99}, {"direct_budget", 9}};
  for (int32_t q = 0; q < 6; ++q) {
    QuestionResult question;
    question.index = q;
    for (int s = 0; s < 2; ++s) {
      SampleResult sample;
      sample.answer = s == 0 || q < 3 ? "1" : "2";
      sample.correct = sample.answer == "1";
      sample.tokens = 10;
      sample.score = 0.5;
      sample.verifier_score = sample.correct ? 0.9 : 0.1;
      question.samples.push_back(sample);
    }
    run.questions.push_back(question);
  }
  const MeasuredPack found = measured(run, kSha256, "auto").value();
  ASSERT_EQ(found.results.size(), 3u);
  EXPECT_EQ(found.results[0].task, "gsm8k test");
  EXPECT_EQ(found.results[0].mode, "auto");
  EXPECT_EQ(found.results[0].branches, 1);
  EXPECT_EQ(found.results[0].budget_tokens, 99);
  EXPECT_DOUBLE_EQ(found.results[0].accuracy, 0.75);
  EXPECT_DOUBLE_EQ(*found.results[0].mean_tokens, 10);
  EXPECT_EQ(found.results[2].vote, "verifier");
  EXPECT_DOUBLE_EQ(found.results[2].accuracy, 1);
  EXPECT_EQ(found.calibration.size(), 2u);
  run.settings["think"] = "off";
  const MeasuredPack off = measured(run, kSha256, "auto").value();
  EXPECT_EQ(off.results[0].mode, "off");
  EXPECT_EQ(off.results[0].budget_tokens, 9);
  EXPECT_TRUE(off.calibration.empty());
  EXPECT_EQ(measured(run, "other", "auto").error().code, ErrorCode::usage);

  std::vector<PackResult> results = found.results;
  results.push_back(off.results[0]);
  add_results(results, found.results);
  EXPECT_EQ(results.size(), 4u);
}

}  // namespace
}  // namespace pith
