// Adapters that cannot be run: each is refused in one clear line.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "base/file.h"
#include "io/safetensors.h"
#include "model/adapter_file.h"
#include "model/peft_config.h"
#include "support/gguf_writer.h"

namespace pith {
namespace {

ModelConfig small_config() {
  ModelConfig config;
  config.architecture = "qwen2";
  config.layers = 2;
  config.width = 64;
  config.mlp_width = 96;
  config.vocabulary = 100;
  config.query_heads = 4;
  config.kv_heads = 2;
  config.head_size = 16;
  config.context = 64;
  return config;
}

template <class T>
std::string message(const Result<T>& result) {
  return result ? "" : result.error().message;
}

// ---- adapter_config.json

std::string config_error(const std::string& json) { return message(parse_peft_config(json, "c")); }

TEST(PeftConfig, WhatIsNotPlainLoraIsNamed) {
  const std::string not_plain = "cannot be run; plain LoRA on linear layers can";
  EXPECT_EQ(config_error(R"({"use_dora": true})"), "c: its setting 'use_dora' " + not_plain);
  EXPECT_EQ(config_error(R"({"lora_bias": true})"), "c: its setting 'lora_bias' " + not_plain);
  EXPECT_EQ(config_error(R"({"modules_to_save": ["lm_head"]})"),
            "c: its setting 'modules_to_save' " + not_plain);
  EXPECT_EQ(config_error(R"({"layer_replication": [[0, 4]]})"),
            "c: its setting 'layer_replication' " + not_plain);
  EXPECT_EQ(config_error(R"({"fan_in_fan_out": true})"),
            "c: its setting 'fan_in_fan_out' " + not_plain);
  EXPECT_EQ(config_error(R"({"from_the_future": {"a": 1}})"),
            "c: its setting 'from_the_future' " + not_plain);
  EXPECT_EQ(config_error(R"({"bias": "all"})"),
            "c: it was trained with biases ('bias'), not LoRA alone");
  EXPECT_EQ(config_error(R"({"peft_type": "IA3"})"),
            "c: an adapter of type 'IA3'; LORA can be run");
  EXPECT_EQ(config_error(R"({"init_lora_weights": "pissa"})"),
            "c: it was started by 'pissa', which changes the base model's weights; convert it to "
            "plain LoRA");
  EXPECT_EQ(config_error(R"({"rank_pattern": {"^q_.*": 4}})"),
            "c: 'rank_pattern' names modules by the expression '^q_.*'; plain names can be read");
}

TEST(PeftConfig, WrongKindsAreNamed) {
  EXPECT_EQ(config_error("[]"), "c: it is not a JSON object");
  EXPECT_EQ(config_error(R"({"r": "8"})"), "c: 'r' is not a number");
  EXPECT_EQ(config_error(R"({"use_rslora": 1})"), "c: 'use_rslora' is not true or false");
  EXPECT_EQ(config_error(R"({"alpha_pattern": [1]})"), "c: 'alpha_pattern' is not an object");
  EXPECT_EQ(config_error(R"({"alpha_pattern": {"q": "1"}})"),
            "c: 'alpha_pattern' holds what is no number");
  EXPECT_EQ(config_error(R"({"alora_invocation_tokens": [1, -1]})"),
            "c: 'alora_invocation_tokens' holds what is no token");
  EXPECT_EQ(config_error(R"({"alora_invocation_tokens": 3})"),
            "c: 'alora_invocation_tokens' is not a list");
}

TEST(PeftConfig, WhatDoesNotMatterIsLeftAlone) {
  EXPECT_EQ(config_error(R"({"r": 4, "use_dora": false, "modules_to_save": null, "velora_config":
                            {}, "inference_mode": true, "loftq_config": {"bits": 4}})"),
            "");
}

TEST(PeftConfig, TheFirstPatternThatFitsCounts) {
  const PeftConfig config =
      parse_peft_config(R"({"r": 8, "lora_alpha": 16, "rank_pattern": {"mlp.up_proj": 4,
                           "layers.1.mlp.up_proj": 2, "p_proj": 1}, "alpha_pattern": {"up_proj":
                           6}})",
                        "c")
          .value();
  EXPECT_EQ(config.rank_of("model.layers.1.mlp.up_proj"), 4);
  EXPECT_EQ(config.rank_of("model.layers.1.mlp.down_proj"), 8);
  EXPECT_EQ(config.scale_of("model.layers.1.mlp.up_proj"), 6.0 / 4);
  EXPECT_EQ(config.scale_of("model.layers.1.mlp.down_proj"), 2);
}

// ---- The tensors of a PEFT adapter

constexpr const char* kLayer = "base_model.model.model.layers.";

struct Tensor {
  std::string name;
  std::vector<uint64_t> shape;
  float value = 0.5f;
};

class PeftFolder : public ::testing::Test {
 protected:
  PeftFolder()
      : folder_((std::filesystem::temp_directory_path() / fmt::format("pith-flaws-{}", getpid()))
                    .string()) {
    std::filesystem::create_directories(folder_);
  }
  ~PeftFolder() override { std::filesystem::remove_all(folder_); }

  std::string open(const std::vector<Tensor>& tensors, const std::string& config = R"({"r": 2})") {
    std::vector<NewTensor> specs;
    for (const Tensor& tensor : tensors) specs.push_back({tensor.name, DType::f32, tensor.shape});
    const auto bytes_of = [&](size_t i) -> Result<std::vector<uint8_t>> {
      return bytes_of_floats(std::vector<float>(specs[i].elements(), tensors[i].value));
    };
    EXPECT_TRUE(write_safetensors(folder_ + "/adapter_model.safetensors", specs, bytes_of));
    EXPECT_TRUE(write_file(folder_ + "/adapter_config.json", config));
    source_ = open_adapter(folder_, small_config());
    std::string text = message(source_);
    if (const size_t at = text.find(folder_); at != text.npos) text.erase(at, folder_.size());
    return text;
  }

  std::string folder_;
  Result<std::unique_ptr<AdapterSource>> source_ = nullptr;
};

Tensor a_of(const std::string& module, uint64_t rank = 2, uint64_t inputs = 64) {
  return {kLayer + module + ".lora_A.weight", {rank, inputs}};
}
Tensor b_of(const std::string& module, uint64_t outputs, uint64_t rank = 2) {
  return {kLayer + module + ".lora_B.weight", {outputs, rank}};
}

TEST_F(PeftFolder, GoodOnesAreRead) {
  EXPECT_EQ(open({a_of("1.self_attn.k_proj"), b_of("1.self_attn.k_proj", 32)},
                 R"({"r": 2, "lora_alpha": 3, "alora_invocation_tokens": [99, 0]})"),
            "");
  const AdapterSource& source = **source_;
  EXPECT_EQ(source.rank(1, LayerMatrix::key), 2u);
  EXPECT_EQ(source.rank(0, LayerMatrix::key), 0u);
  EXPECT_EQ(source.read(1, LayerMatrix::key)->scale, 1.5);
  EXPECT_EQ(source.invocation_tokens(), (std::vector<int32_t>{99, 0}));
}

TEST_F(PeftFolder, TensorsThatDoNotFitAreNamed) {
  EXPECT_EQ(open({a_of("0.mlp.up_proj", 2, 65), b_of("0.mlp.up_proj", 96)}),
            "/adapter_model.safetensors: tensor "
            "'base_model.model.model.layers.0.mlp.up_proj.lora_A.weight' has 65 inputs, this "
            "model's matrix has 64: it is an adapter for another model");
  EXPECT_EQ(open({a_of("0.mlp.up_proj"), b_of("0.mlp.up_proj", 96, 3)}),
            "/adapter_model.safetensors: tensor "
            "'base_model.model.model.layers.0.mlp.up_proj.lora_A.weight' has the rank 2, "
            "'base_model.model.model.layers.0.mlp.up_proj.lora_B.weight' has 3");
  EXPECT_EQ(open({a_of("0.mlp.up_proj", 4), b_of("0.mlp.up_proj", 96, 4)}),
            "/adapter_config.json: it says rank 2 for model.layers.0.mlp.up_proj, whose tensors "
            "have 4");
  EXPECT_EQ(open({a_of("0.mlp.up_proj")}),
            "/adapter_model.safetensors: tensor "
            "'base_model.model.model.layers.0.mlp.up_proj.lora_A.weight' lacks its other factor");
  EXPECT_EQ(open({a_of("0.mlp.up_proj", 0), b_of("0.mlp.up_proj", 96, 0)}),
            "/adapter_model.safetensors: tensor "
            "'base_model.model.model.layers.0.mlp.up_proj.lora_A.weight' has the rank 0, not 1 to "
            "4096");
  EXPECT_EQ(open({}), "/adapter_model.safetensors: it adapts no matrix at all");
  EXPECT_EQ(open({{std::string(kLayer) + "0.mlp.up_proj.lora_A.weight", {128}}}),
            "/adapter_model.safetensors: tensor "
            "'base_model.model.model.layers.0.mlp.up_proj.lora_A.weight' is not a matrix");
}

TEST_F(PeftFolder, TensorsBesideLoraOnTheLayersAreRefused) {
  for (const char* name :
       {"base_model.model.lm_head.lora_A.weight", "base_model.model.model.norm.weight",
        "base_model.model.model.embed_tokens.lora_embedding_A",
        "base_model.model.model.layers.2.mlp.up_proj.lora_A.weight",
        "base_model.model.model.layers.0.mlp.up_proj.lora_magnitude_vector.weight"}) {
    EXPECT_EQ(open({{name, {2, 64}}}),
              fmt::format("/adapter_model.safetensors: tensor '{}' changes nothing that can be "
                          "adapted: the attention and MLP projections of this model's 2 layers can",
                          name));
  }
}

TEST_F(PeftFolder, InvocationTokensAreOfTheModel) {
  EXPECT_EQ(open({a_of("0.mlp.up_proj"), b_of("0.mlp.up_proj", 96)},
                 R"({"r": 2, "alora_invocation_tokens": [100]})"),
            "/adapter_model.safetensors: its invocation token 100 is not in the model's vocabulary "
            "of 100");
}

TEST_F(PeftFolder, NumbersThatAreNoneAreRefused) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    Tensor b = b_of("0.mlp.up_proj", 96);
    b.value = bad;
    EXPECT_EQ(open({a_of("0.mlp.up_proj"), b}), "");
    EXPECT_EQ(message((*source_)->read(0, LayerMatrix::up)),
              folder_ +
                  "/adapter_model.safetensors: tensor "
                  "'base_model.model.model.layers.0.mlp.up_proj.lora_B.weight' holds values "
                  "that are not finite numbers");
  }
}

TEST_F(PeftFolder, MissingFilesAreExplained) {
  std::filesystem::remove(folder_ + "/adapter_model.safetensors");
  EXPECT_EQ(message(open_adapter(folder_, small_config())),
            folder_ +
                " is no PEFT adapter: adapter_config.json and adapter_model.safetensors must "
                "be in it");
  ASSERT_TRUE(write_file(folder_ + "/adapter_config.json", "{}"));
  ASSERT_TRUE(write_file(folder_ + "/adapter_model.bin", "x"));
  EXPECT_EQ(message(open_adapter(folder_, small_config())),
            folder_ +
                ": adapter_model.bin may run code when it is read; save the adapter as "
                "safetensors");
}

// ---- GGUF adapters

GgufWriter gguf_adapter() {
  GgufWriter writer;
  writer.string("general.type", "adapter").string("general.architecture", "qwen2");
  writer.string("adapter.type", "lora").f32("adapter.lora.alpha", 6.0f);
  writer.floats("blk.1.ffn_up.weight.lora_a", {64, 2}, std::vector<float>(128, 1.0f));
  writer.floats("blk.1.ffn_up.weight.lora_b", {2, 96}, std::vector<float>(192, 1.0f));
  return writer;
}

std::string open_gguf(const GgufWriter& writer, double* scale = nullptr) {
  const std::vector<uint8_t> bytes = writer.bytes();
  auto file = GgufFile::parse(bytes, "g").value();
  const auto source =
      read_gguf_adapter(std::make_shared<const GgufFile>(std::move(file)), small_config());
  if (source && scale != nullptr) *scale = (*source)->read(1, LayerMatrix::up)->scale;
  return message(source);
}

TEST(GgufAdapter, AlphaIsDividedByTheRank) {
  double scale = 0;
  EXPECT_EQ(open_gguf(gguf_adapter(), &scale), "");
  EXPECT_EQ(scale, 3);
  EXPECT_EQ(open_gguf(gguf_adapter().without_key("adapter.lora.alpha"), &scale), "");
  EXPECT_EQ(scale, 1);
}

TEST(GgufAdapter, OnesThatCannotBeRunAreRefused) {
  const auto with = [](const char* key, const char* value) {
    return open_gguf(gguf_adapter().without_key(key).string(key, value));
  };
  EXPECT_EQ(with("general.type", "model"), "g: a GGUF model, not an adapter");
  EXPECT_EQ(with("adapter.type", "control\n"),
            "g: an adapter of type 'control\\x0a'; 'lora' can be run");
  EXPECT_EQ(with("general.architecture", "llama"),
            "g: an adapter for 'llama' models, this one is 'qwen2'");
  EXPECT_EQ(open_gguf(gguf_adapter().without_tensor("blk.1.ffn_up.weight.lora_a")),
            "g: tensor 'blk.1.ffn_up.weight.lora_b' lacks its other factor");
  EXPECT_EQ(open_gguf(gguf_adapter().floats("output.weight.lora_a", {64, 1},
                                            std::vector<float>(64, 1.0f))),
            "g: tensor 'output.weight.lora_a' changes nothing that can be adapted: the attention "
            "and MLP matrices of this model's 2 layers can");
  EXPECT_EQ(open_gguf(gguf_adapter().i32s("adapter.alora.invocation_tokens", {5, -1})),
            "g: its invocation token -1 is not in the model's vocabulary of 100");
  EXPECT_EQ(open_gguf(gguf_adapter()
                          .without_key("adapter.lora.alpha")
                          .f32("adapter.lora.alpha", std::nanf(""))),
            "g: it is scaled by alpha / rank = nan");
}

}  // namespace
}  // namespace pith
