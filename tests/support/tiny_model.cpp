#include "support/tiny_model.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <stdexcept>

#include "support/quantize.h"

namespace pith {
namespace {

constexpr float kRopeBase = 10000.0f;
constexpr float kNormEpsilon = 1e-5f;

// Llama 3.1's scaling, with an original context that makes all its three ranges
// of wavelength occur in heads of 16.
constexpr double kScalingFactor = 8.0;
constexpr double kLowFactor = 1.0;
constexpr double kHighFactor = 4.0;
constexpr double kOriginalContext = 64.0;

uint64_t fnv1a(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return hash;
}

// The finaliser of splitmix64.
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Adds a model's tensors to a file.
class TensorWriter {
 public:
  TensorWriter(GgufWriter& file, const TinySpec& spec)
      : file_(file), type_(spec.matrix_type), stored_as_f32_(spec.stored_as_f32) {}

  // Weights of variance about 1 / inputs, so that sizes stay as they are.
  void matrix(const std::string& name, uint64_t inputs, uint64_t outputs) {
    const float scale = 1.75f / std::sqrt(static_cast<float>(inputs));
    std::vector<float> values = tiny_uniform(name, inputs * outputs);
    for (float& value : values) value *= scale;
    std::vector<uint8_t> blocks = quantize_row(type_, values);
    if (!stored_as_f32_) {
      file_.tensor({name, {inputs, outputs}, static_cast<uint32_t>(type_), blocks, {}});
      return;
    }
    dequantize_row(type_, blocks.data(), values.data(), values.size());
    file_.floats(name, {inputs, outputs}, values);
  }

  void norm(const std::string& name, uint64_t size) { vector(name, size, 1.0f); }
  void bias(const std::string& name, uint64_t size) { vector(name, size, 0.0f); }

 private:
  void vector(const std::string& name, uint64_t size, float center) {
    std::vector<float> values = tiny_uniform(name, size);
    for (float& value : values) value = center + 0.25f * value;
    file_.floats(name, {size}, values);
  }

  GgufWriter& file_;
  DType type_;
  bool stored_as_f32_;
};

void write_layer(const TinySpec& spec, uint32_t index, TensorWriter& out) {
  const auto name = [index](const char* part) { return fmt::format("blk.{}.{}", index, part); };
  const uint64_t queries = spec.query_heads * spec.head_size;
  const uint64_t keys = spec.kv_heads * spec.head_size;
  out.norm(name("attn_norm.weight"), spec.width);
  out.matrix(name("attn_q.weight"), spec.width, queries);
  out.matrix(name("attn_k.weight"), spec.width, keys);
  out.matrix(name("attn_v.weight"), spec.width, keys);
  out.matrix(name("attn_output.weight"), queries, spec.width);
  if (spec.architecture == "qwen2") {
    out.bias(name("attn_q.bias"), queries);
    out.bias(name("attn_k.bias"), keys);
    out.bias(name("attn_v.bias"), keys);
  }
  if (spec.architecture == "qwen3") {
    out.norm(name("attn_q_norm.weight"), spec.head_size);
    out.norm(name("attn_k_norm.weight"), spec.head_size);
  }
  out.norm(name("ffn_norm.weight"), spec.width);
  out.matrix(name("ffn_gate.weight"), spec.width, spec.mlp_width);
  out.matrix(name("ffn_up.weight"), spec.width, spec.mlp_width);
  out.matrix(name("ffn_down.weight"), spec.mlp_width, spec.width);
}

// Llama 3.1: short wavelengths stay, long ones are stretched, between them both.
std::vector<float> rope_divisors(uint32_t head_size) {
  std::vector<float> divisors;
  for (uint32_t i = 0; i < head_size / 2; ++i) {
    const double frequency = std::pow(kRopeBase, -2.0 * i / head_size);
    const double turns = kOriginalContext * frequency / (2.0 * std::numbers::pi);
    double divisor = kScalingFactor;
    if (turns > kHighFactor) {
      divisor = 1.0;
    } else if (turns >= kLowFactor) {
      const double smooth = (turns - kLowFactor) / (kHighFactor - kLowFactor);
      divisor = 1.0 / ((1.0 - smooth) / kScalingFactor + smooth);
    }
    divisors.push_back(static_cast<float>(divisor));
  }
  return divisors;
}

void write_config(const TinySpec& spec, GgufWriter& file) {
  const auto key = [&](const char* name) { return fmt::format("{}.{}", spec.architecture, name); };
  file.string("general.architecture", spec.architecture).string("general.name", spec.name);
  file.u32(key("block_count"), spec.layers);
  file.u32(key("context_length"), spec.context);
  file.u32(key("embedding_length"), spec.width);
  file.u32(key("feed_forward_length"), spec.mlp_width);
  file.u32(key("attention.head_count"), spec.query_heads);
  file.u32(key("attention.head_count_kv"), spec.kv_heads);
  file.u32(key("attention.key_length"), spec.head_size);
  file.u32(key("attention.value_length"), spec.head_size);
  file.f32(key("attention.layer_norm_rms_epsilon"), kNormEpsilon);
  file.f32(key("rope.freq_base"), kRopeBase);
}

std::string utf8(uint32_t character) {  // below U+0800
  if (character < 0x80) return {static_cast<char>(character)};
  return {static_cast<char>(0xc0 | character >> 6), static_cast<char>(0x80 | (character & 0x3f))};
}

// The 256 bytes in GPT-2's printable alphabet: bytes that print stand for
// themselves, the others are counted up from U+0100.
std::vector<std::string> byte_tokens() {
  std::vector<std::string> tokens;
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool prints = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
    tokens.push_back(utf8(prints ? byte : next++));
  }
  return tokens;
}

constexpr std::string_view kChatMl =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' "
    "}}{% endif %}";

// 256 bytes, 60 syllables with their merges, 4 control tokens: 320 in all.
void write_vocabulary(const TinySpec& spec, GgufWriter& file) {
  const bool llama = spec.architecture == "llama";
  std::vector<std::string> tokens = byte_tokens();
  std::vector<std::string> merges;
  std::vector<int32_t> kinds(kTinyVocabulary, 1);
  for (const char consonant : std::string_view("bcdfghjklmnp")) {
    for (const char vowel : std::string_view("aeiou")) {
      tokens.push_back({consonant, vowel});
      merges.push_back({consonant, ' ', vowel});
    }
  }
  for (const char* token : {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"}) {
    kinds[tokens.size()] = 3;
    tokens.emplace_back(token);
  }
  file.string("tokenizer.ggml.model", "gpt2");
  file.string("tokenizer.ggml.pre", llama ? "llama-bpe" : "qwen2");
  file.strings("tokenizer.ggml.tokens", tokens).strings("tokenizer.ggml.merges", merges);
  file.i32s("tokenizer.ggml.token_type", kinds);
  file.u32("tokenizer.ggml.bos_token_id", 316).u32("tokenizer.ggml.eos_token_id", 318);
  file.boolean("tokenizer.ggml.add_bos_token", llama);
  file.string("tokenizer.chat_template", kChatMl);
}

}  // namespace

TinySpec TinySpec::wide() const {
  TinySpec spec = *this;
  spec.name += "-wide";
  spec.width = 256;
  spec.mlp_width = 512;
  spec.head_size = 64;
  return spec;
}

std::vector<TinySpec> tiny_specs() {
  TinySpec qwen2_tied{.name = "qwen2-tied", .architecture = "qwen2", .tied_head = true};
  TinySpec qwen2{.name = "qwen2", .architecture = "qwen2"};
  TinySpec qwen3{.name = "qwen3", .architecture = "qwen3", .tied_head = true, .head_size = 32};
  TinySpec llama3{.name = "llama3", .architecture = "llama", .rope_scaling = true};
  return {qwen2_tied, qwen2, qwen3, llama3};
}

TinySpec tiny_spec(std::string_view name) {
  for (const TinySpec& spec : tiny_specs()) {
    if (spec.name == name) return spec;
  }
  throw std::invalid_argument("no tiny model of that name");
}

std::vector<float> tiny_uniform(std::string_view tensor, size_t count) {
  const uint64_t seed = fnv1a(tensor);
  std::vector<float> values(count);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t bits = mix(seed + (i + 1) * 0x9e3779b97f4a7c15u);
    values[i] = static_cast<float>(bits >> 40) * 0x1p-23f - 1.0f;
  }
  return values;
}

GgufWriter tiny_model(const TinySpec& spec) {
  GgufWriter file;
  write_config(spec, file);
  write_vocabulary(spec, file);
  TensorWriter out(file, spec);
  out.matrix("token_embd.weight", spec.width, kTinyVocabulary);
  for (uint32_t i = 0; i < spec.layers; ++i) write_layer(spec, i, out);
  out.norm("output_norm.weight", spec.width);
  if (!spec.tied_head) out.matrix("output.weight", spec.width, kTinyVocabulary);
  if (spec.rope_scaling) {
    const std::vector<float> divisors = rope_divisors(spec.head_size);
    file.floats("rope_freqs.weight", {divisors.size()}, divisors);
  }
  return file;
}

}  // namespace pith
