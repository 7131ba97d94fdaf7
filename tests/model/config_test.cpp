#include "model/config.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "support/gguf_writer.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

Result<ModelConfig> read_config(const GgufWriter& writer) {
  const std::vector<uint8_t> bytes = writer.bytes();
  PITH_TRY(const auto file, GgufFile::parse(bytes, "tiny.gguf"));
  return read_model_config(file);
}

void expect_config_refused(const GgufWriter& writer, ErrorCode code, const std::string& part) {
  const auto config = read_config(writer);
  ASSERT_FALSE(config) << "accepted, but should say: " << part;
  EXPECT_EQ(config.error().code, code) << config.error().message;
  EXPECT_NE(config.error().message.find(part), std::string::npos) << config.error().message;
}

// The tiny Llama with one key set to something else.
GgufWriter llama_with(std::string_view key, uint32_t value) {
  return std::move(tiny_model(tiny_spec("llama3")).without_key(key).u32(key, value));
}

TEST(ModelConfig, Qwen2) {
  const auto config = read_config(tiny_model(tiny_spec("qwen2-tied")));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->architecture, "qwen2");
  EXPECT_EQ(config->name, "qwen2-tied");
  EXPECT_EQ(config->layers, 3);
  EXPECT_EQ(config->width, 64);
  EXPECT_EQ(config->mlp_width, 96);
  EXPECT_EQ(config->vocabulary, 320);
  EXPECT_EQ(config->query_heads, 4);
  EXPECT_EQ(config->kv_heads, 2);
  EXPECT_EQ(config->head_size, 16);
  EXPECT_EQ(config->context, 512);
  EXPECT_EQ(config->norm_epsilon, 1e-5f);
  EXPECT_EQ(config->rope_base, 10000.0f);
  EXPECT_FALSE(config->rope_interleaved);
  EXPECT_TRUE(config->rope_divisors.empty());
  EXPECT_TRUE(config->attention_bias);
  EXPECT_FALSE(config->head_norm);
  EXPECT_TRUE(config->tied_head);
}

TEST(ModelConfig, Qwen3) {
  const auto config = read_config(tiny_model(tiny_spec("qwen3")));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->head_norm);
  EXPECT_FALSE(config->attention_bias);
  EXPECT_FALSE(config->rope_interleaved);
  EXPECT_EQ(config->head_size, 32);  // not width / heads
  EXPECT_EQ(config->query_width(), 128);
  EXPECT_EQ(config->kv_width(), 64);
}

TEST(ModelConfig, Llama3) {
  const auto config = read_config(tiny_model(tiny_spec("llama3")));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->rope_interleaved);
  EXPECT_FALSE(config->tied_head);
  EXPECT_FALSE(config->attention_bias);
  ASSERT_EQ(config->rope_divisors.size(), 8u);
  EXPECT_EQ(config->rope_divisors.front(), 1.0f);
  EXPECT_EQ(config->rope_divisors.back(), 8.0f);
}

TEST(ModelConfig, DefaultsOfKeysThatMayBeAbsent) {
  GgufWriter writer = tiny_model(tiny_spec("llama3"));
  for (const char* key :
       {"general.name", "llama.attention.head_count_kv", "llama.attention.key_length",
        "llama.attention.value_length", "llama.rope.freq_base"}) {
    writer.without_key(key);
  }
  const auto config = read_config(writer.without_tensor("rope_freqs.weight"));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->name, "");
  EXPECT_EQ(config->kv_heads, 4);
  EXPECT_EQ(config->head_size, 16);
  EXPECT_EQ(config->rope_base, 10000.0f);
  EXPECT_TRUE(config->rope_divisors.empty());
}

TEST(ModelConfig, KeysThatMustBeThereAreNamed) {
  for (const char* key : {"general.architecture", "llama.block_count", "llama.context_length",
                          "llama.embedding_length", "llama.feed_forward_length",
                          "llama.attention.head_count", "llama.attention.layer_norm_rms_epsilon"}) {
    expect_config_refused(tiny_model(tiny_spec("llama3")).without_key(key), ErrorCode::corrupt,
                          key);
  }
  expect_config_refused(tiny_model(tiny_spec("llama3")).without_tensor("token_embd.weight"),
                        ErrorCode::corrupt, "token_embd.weight");
}

TEST(ModelConfig, UnknownArchitecturesAreNamedWithThoseWeRun) {
  GgufWriter writer = tiny_model(tiny_spec("llama3")).without_key("general.architecture");
  expect_config_refused(
      writer.string("general.architecture", "gem\nma"), ErrorCode::unsupported,
      "the architecture 'gem\\x0ama' cannot be run; these can: llama, qwen2, qwen3");
}

TEST(ModelConfig, SizesThatCannotBe) {
  for (const char* key : {"llama.block_count", "llama.context_length", "llama.embedding_length",
                          "llama.feed_forward_length", "llama.attention.head_count",
                          "llama.attention.head_count_kv", "llama.attention.key_length"}) {
    expect_config_refused(llama_with(key, 0), ErrorCode::corrupt, key);
    expect_config_refused(llama_with(key, UINT32_MAX), ErrorCode::corrupt, key);
  }
  expect_config_refused(llama_with("llama.attention.head_count_kv", 3), ErrorCode::corrupt,
                        "4 query heads cannot share 3");
  expect_config_refused(llama_with("llama.attention.head_count", 256), ErrorCode::unsupported,
                        "256 query heads share 2 key and value heads; up to 64 can share one");
  expect_config_refused(llama_with("llama.attention.key_length", 15), ErrorCode::unsupported,
                        "heads of 15 numbers");
  expect_config_refused(llama_with("llama.attention.value_length", 8), ErrorCode::unsupported,
                        "values of 8 numbers beside keys of 16");
  expect_config_refused(llama_with("llama.embedding_length", 128), ErrorCode::corrupt,
                        "token_embd.weight is 64 x 320, not 128");
  GgufWriter uneven = llama_with("llama.attention.head_count", 6);
  expect_config_refused(uneven.without_key("llama.attention.key_length"), ErrorCode::corrupt,
                        "the width 64 is not a multiple of the 6 heads");
}

// A negative number must not pass as a large one.
TEST(ModelConfig, NegativeSizes) {
  const auto minus_one = ByteWriter().number<int32_t>(-1).bytes();
  GgufWriter writer = tiny_model(tiny_spec("llama3")).without_key("llama.block_count");
  expect_config_refused(writer.raw("llama.block_count", GgufType::i32, minus_one),
                        ErrorCode::corrupt, "llama.block_count is -1");
}

TEST(ModelConfig, NumbersThatCannotBe) {
  for (const float value : {0.0f, -1.0f, std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
    for (const char* key : {"llama.rope.freq_base", "llama.attention.layer_norm_rms_epsilon"}) {
      GgufWriter writer = tiny_model(tiny_spec("llama3")).without_key(key);
      expect_config_refused(writer.f32(key, value), ErrorCode::corrupt, key);
    }
  }
  const auto vanishing = ByteWriter().number(1e-300).bytes();  // 0 as a float
  GgufWriter writer = tiny_model(tiny_spec("llama3")).without_key("llama.rope.freq_base");
  expect_config_refused(writer.raw("llama.rope.freq_base", GgufType::f64, vanishing),
                        ErrorCode::corrupt, "llama.rope.freq_base");
}

TEST(ModelConfig, VariantsThatCannotBeRun) {
  expect_config_refused(llama_with("llama.expert_count", 8), ErrorCode::unsupported, "experts");
  expect_config_refused(llama_with("llama.rope.dimension_count", 8), ErrorCode::unsupported,
                        "rope on 8 of the 16 numbers");
  GgufWriter encoder = tiny_model(tiny_spec("llama3"));
  expect_config_refused(encoder.boolean("llama.attention.causal", false), ErrorCode::unsupported,
                        "causal");
  GgufWriter yarn = tiny_model(tiny_spec("llama3"));
  expect_config_refused(yarn.string("llama.rope.scaling.type", "yarn"), ErrorCode::unsupported,
                        "rope scaling 'yarn' cannot be run");
}

TEST(ModelConfig, LinearRopeScalingDividesEveryFrequency) {
  GgufWriter writer = tiny_model(tiny_spec("qwen2"));
  writer.string("qwen2.rope.scaling.type", "linear").f32("qwen2.rope.scaling.factor", 4.0f);
  const auto config = read_config(writer);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->rope_divisors, std::vector<float>(8, 4.0f));
  const auto old_key =
      read_config(tiny_model(tiny_spec("qwen2")).f32("qwen2.rope.scale_linear", 2.0f));
  ASSERT_TRUE(old_key) << old_key.error().message;
  EXPECT_EQ(old_key->rope_divisors, std::vector<float>(8, 2.0f));
  GgufWriter none = tiny_model(tiny_spec("qwen2"));
  none.string("qwen2.rope.scaling.type", "none").f32("qwen2.rope.scaling.factor", 4.0f);
  EXPECT_TRUE(read_config(none)->rope_divisors.empty());
}

TEST(ModelConfig, RopeDivisorsThatCannotBe) {
  const auto with = [](std::vector<float> divisors) {
    GgufWriter writer = tiny_model(tiny_spec("llama3")).without_tensor("rope_freqs.weight");
    return std::move(writer.floats("rope_freqs.weight", {divisors.size()}, divisors));
  };
  expect_config_refused(with(std::vector<float>(7, 1.0f)), ErrorCode::corrupt, "is not 8 numbers");
  for (const float bad : {0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity()}) {
    std::vector<float> divisors(8, 1.0f);
    divisors[3] = bad;
    expect_config_refused(with(divisors), ErrorCode::corrupt, "rope_freqs.weight holds");
  }
}

TEST(ModelConfig, ASlidingWindowShortensTheContext) {
  EXPECT_EQ(read_config(llama_with("llama.attention.sliding_window", 100))->context, 100);
  EXPECT_EQ(read_config(llama_with("llama.attention.sliding_window", 4096))->context, 512);
}

TEST(ModelConfig, LlamaWithBiases) {
  GgufWriter writer = tiny_model(tiny_spec("llama3"));
  const std::vector<float> bias(64);
  EXPECT_TRUE(read_config(writer.floats("blk.0.attn_q.bias", {64}, bias))->attention_bias);
}

}  // namespace
}  // namespace pith
