// Reasoning packs: written and read, and each flaw refused in one clear line.
#include "reason/pack.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "model/adapter_source.h"
#include "reason/tiny_reasoner.h"
#include "support/temporary_folder.h"
#include "support/tiny_pack.h"

namespace pith {
namespace {

using testing::random_pack;
using testing::TemporaryFolder;
using testing::TinyReasoner;
namespace fs = std::filesystem;

constexpr size_t kWidth = 64;

template <class T>
std::string message(const Result<T>& result) {
  return result ? "" : result.error().message;
}

// The smallest pack.json, with other values for some keys; null removes a key.
std::string with(const nlohmann::json& changes) {
  nlohmann::json pack = {
      {"format", 1}, {"name", "p"}, {"base", {{"name", "m"}, {"sha256", std::string(64, '0')}}}};
  pack.merge_patch(changes);
  return pack.dump();
}

std::string flaw(const nlohmann::json& changes) { return message(parse_pack(with(changes), "f")); }

TEST(PackManifest, DefaultsAreThoseOfThePage) {
  const Pack pack = parse_pack(with(nlohmann::json::object()), "f").value().pack;
  EXPECT_EQ(pack.adapter, "");
  EXPECT_EQ(pack.boundary, PackBoundary::assistant_header);
  EXPECT_FALSE(pack.prompts.system);
  EXPECT_EQ(pack.prompts.verification, "");
  EXPECT_FALSE(pack.verification.with_adapter);
  EXPECT_EQ(pack.verification.positions, 1);
  EXPECT_EQ(pack.budgets.think, 1024);
  EXPECT_EQ(pack.think_threshold, 0.5);
  EXPECT_TRUE(pack.results.empty());
}

TEST(PackManifest, EachFlawIsNamed) {
  EXPECT_EQ(message(parse_pack("[]", "f")), "f: it is not a JSON object");
  EXPECT_EQ(message(parse_pack("{", "f")), "f: not JSON from byte 2 on");
  EXPECT_EQ(message(parse_pack("{}", "f")), "f: 'format' is missing");
  EXPECT_EQ(flaw({{"format", 2}}), "f: 'format' is 2; this pith reads 1");
  EXPECT_EQ(flaw({{"name", nullptr}}), "f: 'name' is missing");
  EXPECT_EQ(flaw({{"name", 7}}), "f: 'name' is not a string");
  EXPECT_EQ(flaw({{"name", "a b"}}), "f: 'name' is not of letters, digits, '.', '_' and '-'");
  EXPECT_EQ(flaw({{"base", nullptr}}), "f: 'base' is missing");
  EXPECT_EQ(flaw({{"base", {{"sha256", "AB"}}}}),
            "f: 'base.sha256' is not 64 lower-case hexadecimal digits");
  EXPECT_EQ(flaw({{"prompts", {{"system", 1}}}}), "f: 'prompts.system' is not a string");
  EXPECT_EQ(flaw({{"prompts", {{"system", std::string(70000, 'x')}}}}),
            "f: 'prompts.system' is longer than 65536 bytes");
  EXPECT_EQ(flaw({{"prompts", 1}}), "f: 'prompts' is not an object");
  EXPECT_EQ(flaw({{"boundary", "start"}}),
            "f: 'boundary' is 'start', not one of assistant-header, invocation-tokens");
  EXPECT_EQ(flaw({{"budgets", {{"think", 0}}}}),
            "f: 'budgets.think' is not a whole number from 1 to 16777216");
  EXPECT_EQ(flaw({{"thresholds", {{"think", 1.5}}}}),
            "f: 'thresholds.think' is not a number from 0 to 1");
  EXPECT_EQ(flaw({{"verification", {{"reader", "adapter"}}}}),
            "f: 'verification.reader' is 'adapter', and the pack has none");
  EXPECT_EQ(flaw({{"vote", "coin"}}),
            "f: 'vote' is 'coin', not one of majority, confidence, verifier");
  EXPECT_EQ(flaw({{"vote", "verifier"}}), "f: 'vote' is 'verifier', and the pack has none");
  EXPECT_EQ(flaw({{"verification", {{"positions", -1}}}}),
            "f: 'verification.positions' is not a whole number from 1 to 1024");
  EXPECT_EQ(flaw({{"verification", {{"layer", -1}}}}),
            "f: 'verification.layer' is not a whole number from 0 to 1024");
  EXPECT_EQ(flaw({{"switching", {{"depth", 1}}}}),
            "f: 'switching.depth' is a key that this pith does not know");
  EXPECT_EQ(flaw({{"results", 1}}), "f: 'results' is not a list");
  EXPECT_EQ(flaw({{"results", {1}}}), "f: 'results' holds what is not an object");
  EXPECT_EQ(flaw({{"results",
                   {{{"task", "t"}, {"mode", "on"}, {"budget_tokens", 1}, {"questions", 1}}}}}),
            "f: 'results[0].accuracy' is missing");
  EXPECT_EQ(flaw({{"calibration", {{"majority", 1}}}}),
            "f: 'calibration.majority' is wrong: a calibration that is no list of points");
  EXPECT_EQ(flaw({{"calibration", {{"majority", {{0.5, 2}}}}}}),
            "f: 'calibration.majority' is wrong: point 1 of the calibration is not from 0 to 1");
  EXPECT_EQ(flaw({{"calibration", {{"plurality", 1}}}}),
            "f: 'calibration.plurality' is a key that this pith does not know");
}

TEST(PackManifest, KeysThatWouldChangeTheResultAreRefused) {
  EXPECT_EQ(flaw({{"router", "x"}}), "f: 'router' is a key that this pith does not know");
  EXPECT_EQ(flaw({{"thresholds", {{"stop", 1}}}}),
            "f: 'thresholds.stop' is a key that this pith does not know");
  // A measurement may say more about itself.
  EXPECT_EQ(flaw({{"results",
                   {{{"task", "t"},
                     {"mode", "on"},
                     {"budget_tokens", 1},
                     {"questions", 1},
                     {"accuracy", 1},
                     {"date", "2026"}}}}}),
            "");
}

TEST(PackManifest, FilesAreOfThePackItself) {
  for (const char* name : {"/etc/passwd", "../a", "a/../../b", "a/b", ".hidden", "-f", ""}) {
    for (const char* key : {"adapter", "switcher", "verifier"}) {
      EXPECT_EQ(flaw({{key, name}}), fmt::format("f: '{}' is '{}', which is not the name of a file "
                                                 "in the pack",
                                                 key, name));
    }
  }
}

TEST(PackManifest, TheSystemPromptSaysTheBudget) {
  Pack pack;
  EXPECT_EQ(system_prompt(pack, 7), std::nullopt);
  pack.prompts.system = "{budget}, {budget}!";
  EXPECT_EQ(system_prompt(pack, 512), "512, 512!");
}

class PackFolder : public ::testing::Test {
 protected:
  std::string path(const std::string& name = "") const { return folder_.path() + "/pack" + name; }
  // The message with the folder's own name taken out.
  std::string shown(std::string text) const {
    for (size_t at = text.find(path()); at != text.npos; at = text.find(path())) {
      text.replace(at, path().size(), "P");
    }
    return text;
  }
  std::string open_flaw() const { return shown(message(open_pack(path()))); }
  void edit(const nlohmann::json& changes) const {
    auto json = nlohmann::json::parse(read_file(path("/pack.json"), 1 << 20).value());
    json.merge_patch(changes);
    ASSERT_TRUE(write_file(path("/pack.json"), json.dump()));
  }

  TemporaryFolder folder_;
};

TEST_F(PackFolder, IsReadAsWritten) {
  for (const auto precision : {HeadPrecision::f32, HeadPrecision::f16, HeadPrecision::int8}) {
    Pack written = random_pack(path(), kWidth);
    written.switcher->layer = 2;
    written.verification.layer = 1;
    ASSERT_TRUE(write_pack(written, precision));
    const Pack read = open_pack(path()).value();
    EXPECT_EQ(read.name, written.name);
    EXPECT_EQ(read.base.sha256, written.base.sha256);
    EXPECT_EQ(read.prompts.system, written.prompts.system);
    EXPECT_EQ(read.prompts.verification, written.prompts.verification);
    EXPECT_EQ(read.switcher->layer, 2);
    EXPECT_EQ(read.verification.layer, 1);
    ASSERT_EQ(read.results.size(), 1u);
    EXPECT_EQ(read.results[0].accuracy, 0.75);
    EXPECT_EQ(read.results[0].mean_tokens, 312.5);
    ASSERT_EQ(read.calibration.size(), 1u);
    EXPECT_EQ(read.calibration.at(VoteRule::verifier).points()[1].accuracy, 0.5);
    // Half a step of int8, and of the last bit of fp16.
    const float tolerance = precision == HeadPrecision::f32   ? 0
                            : precision == HeadPrecision::f16 ? 0x1p-13f
                                                              : 0.125f / 254 * 1.001f;
    for (size_t i = 0; i < kWidth; ++i) {
      EXPECT_NEAR(read.verifier->weight[i], written.verifier->weight[i], tolerance);
    }
  }
}

TEST_F(PackFolder, WhatIsNoPack) {
  EXPECT_EQ(open_flaw(), "P is no reasoning pack: it has no pack.json");
  fs::create_directories(path());
  ASSERT_TRUE(write_file(path("/pack.json"), "{}"));
  EXPECT_EQ(open_flaw(), "P/pack.json: 'format' is missing");
}

TEST_F(PackFolder, MissingFilesAreNamed) {
  ASSERT_TRUE(write_pack(random_pack(path(), kWidth), HeadPrecision::f32));
  edit({{"adapter", "adapter.gguf"}});
  EXPECT_EQ(open_flaw(), "P/pack.json: 'adapter' names adapter.gguf, which cannot be found");
  edit({{"adapter", nullptr}});
  fs::remove(path("/switcher.safetensors"));
  EXPECT_EQ(open_flaw(),
            "P/pack.json: 'switcher' names switcher.safetensors, which cannot be found");
}

TEST_F(PackFolder, LinksOutOfThePackAreRefused) {
  ASSERT_TRUE(write_pack(random_pack(path(), kWidth), HeadPrecision::f32));
  const std::string outside = folder_ / "outside.safetensors";
  fs::rename(path("/verifier.safetensors"), outside);
  fs::create_symlink(outside, path("/verifier.safetensors"));
  EXPECT_EQ(open_flaw(),
            "P/pack.json: 'verifier' names verifier.safetensors, a symbolic link that "
            "leads out of the pack");
  fs::remove(path("/verifier.safetensors"));
  fs::rename(outside, path("/real.safetensors"));
  fs::create_symlink("real.safetensors", path("/verifier.safetensors"));
  EXPECT_EQ(open_flaw(), "");  // inside it one may lead
  fs::create_directories(path("/lora"));
  ASSERT_TRUE(write_file(outside, "x"));
  fs::create_symlink(outside, path("/lora/adapter_config.json"));
  edit({{"adapter", "lora"}});
  EXPECT_EQ(open_flaw(),
            "P/pack.json: 'adapter' names lora/adapter_config.json, a symbolic link "
            "that leads out of the pack");
}

TEST_F(PackFolder, FlawsOfHeadsAreNamed) {
  Pack pack = random_pack(path(), kWidth);
  pack.verifier->weight[5] = std::numeric_limits<float>::quiet_NaN();
  ASSERT_TRUE(write_pack(pack, HeadPrecision::f32));
  EXPECT_EQ(open_flaw(),
            "P/verifier.safetensors: tensor 'output.weight' holds values that are not "
            "finite numbers");
  pack = random_pack(path(), kWidth);
  pack.verifier = testing::random_head(kWidth + 1, 1, 3);
  ASSERT_TRUE(write_pack(pack, HeadPrecision::f32));
  EXPECT_EQ(open_flaw(), "P: its switcher is for a model of width 64, its verifier for one of 65");
  pack.verifier = testing::random_head(kWidth, 2, 3);
  ASSERT_TRUE(write_pack(pack, HeadPrecision::f32));
  EXPECT_EQ(open_flaw(),
            "P/verifier.safetensors: tensor 'output.weight' has 2 rows, a verifier has 1");
  pack.verifier = testing::random_head(kWidth, 1, 3);
  pack.switcher->output = testing::random_head(9, 1, 3);
  ASSERT_TRUE(write_pack(pack, HeadPrecision::int8));
  EXPECT_EQ(open_flaw(),
            "P/switcher.safetensors: tensor 'output.weight' has the shape [1, 9], "
            "[1, 8] is needed");
  edit({{"switcher", "verifier.safetensors"}});
  EXPECT_EQ(open_flaw(), "P/verifier.safetensors: tensor 'hidden.weight' is missing");
  edit({{"switcher", nullptr}, {"verifier", "switcher.safetensors"}});
  EXPECT_EQ(open_flaw(),
            "P/switcher.safetensors: tensor 'hidden.bias' belongs to no part of this "
            "head");
}

TEST_F(PackFolder, OtherModelsAreRefused) {
  const TinyReasoner reasoner;
  const ModelConfig& config = reasoner.engine->model().config();
  Pack pack = random_pack(path(), kWidth);
  fs::create_directories(path());
  ASSERT_TRUE(write_peft(*random_adapter(config, 4), config, path("/lora")));
  pack.adapter = "lora";
  ASSERT_TRUE(write_pack(pack, HeadPrecision::f32));
  pack = open_pack(path()).value();
  const std::string sha256(64, 'a');
  EXPECT_EQ(message(check_pack(pack, config, sha256)), "");
  EXPECT_EQ(shown(message(check_pack(pack, config, std::string(64, 'b')))),
            "P: the pack is for tiny with the sha256 aaaaaaaaaaaa..., this model has "
            "bbbbbbbbbbbb...");
  pack.switcher->layer = config.layers + 1;
  EXPECT_EQ(shown(message(check_pack(pack, config, sha256))),
            "P/pack.json: 'switching.layer' is 4, and the model has 3 layers");
  pack.switcher->layer = config.layers;
  pack.verification.layer = config.layers + 1;
  EXPECT_EQ(shown(message(check_pack(pack, config, sha256))),
            "P/pack.json: 'verification.layer' is 4, and the model has 3 layers");
  pack.verification.layer = config.layers;
  pack.boundary = PackBoundary::invocation_tokens;
  EXPECT_EQ(shown(message(check_pack(pack, config, sha256))),
            "P/pack.json: 'boundary' is 'invocation-tokens', and the adapter is made for "
            "'assistant-header'");
  ModelConfig wide = config;
  wide.width = 128;
  EXPECT_EQ(shown(message(check_pack(pack, wide, sha256))),
            "P: its switcher is for a model of width 64, this one has 128");
  pack.switcher.reset();
  pack.verifier.reset();
  EXPECT_NE(message(check_pack(pack, wide, sha256)).find("an adapter for another model"),
            std::string::npos);
}

TEST_F(PackFolder, ThePromptHasThePositionsThatAreScored) {
  const TinyReasoner reasoner;
  Pack pack = random_pack(path(), kWidth);
  const size_t tokens = verification_tokens(pack, reasoner.tokenizer)->size();
  pack.verification.positions = static_cast<int32_t>(tokens);
  EXPECT_TRUE(verification_tokens(pack, reasoner.tokenizer));
  ++pack.verification.positions;
  EXPECT_FALSE(verification_tokens(pack, reasoner.tokenizer));
  pack.prompts.verification.clear();
  pack.verification.positions = 2;
  EXPECT_EQ(shown(message(verification_tokens(pack, reasoner.tokenizer))),
            "P/pack.json: 'verification.positions' is 2, of a prompt of 0 tokens at most 1 can be");
}

}  // namespace
}  // namespace pith
