#include "model/config.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>

#include "tensor/dtype.h"

namespace pith {
namespace {

// To add a family whose layers are the ones we run: one row here.
struct Family {
  std::string_view architecture;
  bool rope_interleaved;
  bool attention_bias;
  bool head_norm;
};

constexpr Family kFamilies[] = {
    {"llama", /*rope_interleaved=*/true, /*attention_bias=*/false, /*head_norm=*/false},
    {"qwen2", /*rope_interleaved=*/false, /*attention_bias=*/true, /*head_norm=*/false},
    {"qwen3", /*rope_interleaved=*/false, /*attention_bias=*/false, /*head_norm=*/true},
};

// Far above every real model, and small enough that products of two fit in int64
// and sums of a few in int32.
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxWidth = 1 << 16;
constexpr int64_t kMaxMlpWidth = 1 << 20;
constexpr int64_t kMaxVocabulary = 1 << 22;
constexpr int64_t kMaxHeads = 1 << 10;
constexpr int64_t kMaxHeadSize = 256;  // what the attention kernels hold in registers
constexpr int64_t kMaxContext = 1 << 26;

// Reads the keys "ARCHITECTURE.name" of one file.
class Keys {
 public:
  Keys(const GgufFile& file, std::string architecture)
      : file_(file), architecture_(std::move(architecture)) {}

  std::string full(std::string_view name) const {
    return fmt::format("{}.{}", architecture_, name);
  }
  bool has(std::string_view name) const { return file_.find(full(name)) != nullptr; }

  // An integer from 1 to `limit`. corrupt when absent.
  Result<int32_t> size(std::string_view name, int64_t limit) const {
    PITH_TRY(const int64_t value, file_.integer(full(name)));
    if (value < 1 || value > limit) {
      return file_.corrupt(fmt::format("{} is {}, not 1 to {}", full(name), value, limit));
    }
    return static_cast<int32_t>(value);
  }

  Result<int32_t> size_or(std::string_view name, int64_t limit, int32_t fallback) const {
    if (!has(name)) return fallback;
    return size(name, limit);
  }

  // A number above 0, up to `limit`. corrupt when absent.
  Result<float> positive(std::string_view name, double limit) const {
    PITH_TRY(const double value, file_.number(full(name)));
    const auto narrow = static_cast<float>(value);
    if (narrow > 0.0f && value <= limit) return narrow;
    return file_.corrupt(
        fmt::format("{} is {}, not above 0 and up to {}", full(name), value, limit));
  }

  Result<float> positive_or(std::string_view name, double limit, float fallback) const {
    if (!has(name)) return fallback;
    return positive(name, limit);
  }

  tl::unexpected<Error> unsupported(std::string_view what) const {
    return fail(ErrorCode::unsupported, "{}: {}", printable(file_.path()), what);
  }
  tl::unexpected<Error> corrupt(std::string_view what) const { return file_.corrupt(what); }
  const GgufFile& file() const { return file_; }

 private:
  const GgufFile& file_;
  std::string architecture_;
};

Result<Family> find_family(const GgufFile& file) {
  PITH_TRY(const std::string architecture, file.string("general.architecture"));
  const auto* found =
      std::find_if(std::begin(kFamilies), std::end(kFamilies),
                   [&](const Family& family) { return family.architecture == architecture; });
  if (found != std::end(kFamilies)) return *found;
  return fail(ErrorCode::unsupported, "{}: the architecture '{}' cannot be run; these can: {}",
              printable(file.path()), printable(architecture),
              fmt::join(supported_architectures(), ", "));
}

// What a file of a known architecture can ask for that our layers do not do.
Status refuse_variants(const Keys& keys) {
  PITH_TRY(const int64_t experts, keys.file().integer_or(keys.full("expert_count"), 0));
  if (experts != 0) return keys.unsupported("mixtures of experts cannot be run");
  PITH_TRY(const bool causal, keys.file().boolean_or(keys.full("attention.causal"), true));
  if (!causal) return keys.unsupported("attention that is not causal cannot be run");
  return {};
}

Status read_sizes(const Keys& keys, ModelConfig& config) {
  PITH_TRY(config.layers, keys.size("block_count", kMaxLayers));
  PITH_TRY(config.width, keys.size("embedding_length", kMaxWidth));
  PITH_TRY(config.mlp_width, keys.size("feed_forward_length", kMaxMlpWidth));
  PITH_TRY(config.context, keys.size("context_length", kMaxContext));
  // Up to the window's length, attention with a sliding window is the plain one.
  PITH_TRY(const int32_t window,
           keys.size_or("attention.sliding_window", kMaxContext, config.context));
  config.context = std::min(config.context, window);
  return {};
}

Status read_heads(const Keys& keys, ModelConfig& config) {
  PITH_TRY(config.query_heads, keys.size("attention.head_count", kMaxHeads));
  PITH_TRY(config.kv_heads, keys.size_or("attention.head_count_kv", kMaxHeads, config.query_heads));
  if (config.query_heads % config.kv_heads != 0) {
    return keys.corrupt(fmt::format("{} query heads cannot share {} key and value heads",
                                    config.query_heads, config.kv_heads));
  }
  if (config.query_heads / config.kv_heads > kMostGroupHeads) {
    return keys.unsupported(
        fmt::format("{} query heads share {} key and value heads; up to {} can "
                    "share one",
                    config.query_heads, config.kv_heads, kMostGroupHeads));
  }
  if (!keys.has("attention.key_length") && config.width % config.query_heads != 0) {
    return keys.corrupt(fmt::format("the width {} is not a multiple of the {} heads", config.width,
                                    config.query_heads));
  }
  PITH_TRY(config.head_size,
           keys.size_or("attention.key_length", kMaxHeadSize, config.width / config.query_heads));
  if (config.head_size < 2 || config.head_size > kMaxHeadSize || config.head_size % 2 != 0) {
    return keys.unsupported(fmt::format("heads of {} numbers; even sizes up to {} can be run",
                                        config.head_size, kMaxHeadSize));
  }
  PITH_TRY(const int32_t value_size,
           keys.size_or("attention.value_length", kMaxHeadSize, config.head_size));
  if (value_size != config.head_size) {
    return keys.unsupported(
        fmt::format("values of {} numbers beside keys of {}", value_size, config.head_size));
  }
  return {};
}

// The factor by which all positions are divided ("linear" scaling); 1 for none.
Result<float> read_linear_scaling(const Keys& keys) {
  PITH_TRY(const std::string type, keys.file().string_or(keys.full("rope.scaling.type"), "linear"));
  if (type != "none" && type != "linear") {
    return keys.unsupported(
        fmt::format("rope scaling '{}' cannot be run; none, linear and the "
                    "tensor rope_freqs.weight can",
                    printable(type)));
  }
  if (type == "none") return 1.0f;
  const bool old_key = !keys.has("rope.scaling.factor");
  return keys.positive_or(old_key ? "rope.scale_linear" : "rope.scaling.factor", 1e6, 1.0f);
}

// Llama 3's divisors, one per pair of a head, from the tensor that carries them.
Result<std::vector<float>> read_divisors(const Keys& keys, const GgufTensor& tensor,
                                         int32_t pairs) {
  if (tensor.type != DType::f32 || tensor.elements() != static_cast<uint64_t>(pairs)) {
    return keys.corrupt(fmt::format("rope_freqs.weight is not {} numbers of type F32", pairs));
  }
  std::vector<float> divisors(static_cast<size_t>(pairs));
  dequantize_row(tensor.type, tensor.data.data(), divisors.data(), divisors.size());
  for (const float divisor : divisors) {
    if (!(divisor > 0.0f && std::isfinite(divisor))) {
      return keys.corrupt(fmt::format("rope_freqs.weight holds {}", divisor));
    }
  }
  return divisors;
}

Status read_rope(const Keys& keys, ModelConfig& config) {
  PITH_TRY(config.rope_base, keys.positive_or("rope.freq_base", 1e12, config.rope_base));
  PITH_TRY(const int32_t rotated,
           keys.size_or("rope.dimension_count", kMaxHeadSize, config.head_size));
  if (rotated != config.head_size) {
    return keys.unsupported(fmt::format("rope on {} of the {} numbers of a head cannot be run",
                                        rotated, config.head_size));
  }
  const int32_t pairs = config.head_size / 2;
  PITH_TRY(const float factor, read_linear_scaling(keys));
  if (const GgufTensor* tensor = keys.file().find_tensor(kRopeDivisorsTensor)) {
    PITH_TRY(config.rope_divisors, read_divisors(keys, *tensor, pairs));
  } else if (factor != 1.0f) {
    config.rope_divisors.assign(static_cast<size_t>(pairs), 1.0f);
  }
  for (float& divisor : config.rope_divisors) divisor *= factor;
  return {};
}

Status read_vocabulary_size(const Keys& keys, ModelConfig& config) {
  const GgufTensor* embedding = keys.file().find_tensor("token_embd.weight");
  if (embedding == nullptr) return keys.corrupt("it has no tensor 'token_embd.weight'");
  const std::vector<uint64_t>& shape = embedding->shape;
  if (shape.size() != 2 || shape[0] != static_cast<uint64_t>(config.width) ||
      shape[1] > static_cast<uint64_t>(kMaxVocabulary)) {
    return keys.corrupt(fmt::format("token_embd.weight is {}, not {} x up to {}",
                                    fmt::join(shape, " x "), config.width, kMaxVocabulary));
  }
  config.vocabulary = static_cast<int32_t>(shape[1]);
  config.tied_head = keys.file().find_tensor("output.weight") == nullptr;
  return {};
}

}  // namespace

std::vector<std::string> supported_architectures() {
  std::vector<std::string> names;
  for (const Family& family : kFamilies) names.emplace_back(family.architecture);
  return names;
}

Result<ModelConfig> read_model_config(const GgufFile& file) {
  PITH_TRY(const Family family, find_family(file));
  const Keys keys(file, std::string(family.architecture));
  ModelConfig config;
  config.architecture = family.architecture;
  PITH_TRY(config.name, file.string_or("general.name", ""));
  config.rope_interleaved = family.rope_interleaved;
  config.head_norm = family.head_norm;
  // Some Llama files carry biases too; those of Qwen2 must.
  config.attention_bias = family.attention_bias || file.find_tensor("blk.0.attn_q.bias") != nullptr;
  PITH_TRY_VOID(refuse_variants(keys));
  PITH_TRY_VOID(read_sizes(keys, config));
  PITH_TRY_VOID(read_heads(keys, config));
  PITH_TRY(config.norm_epsilon, keys.positive("attention.layer_norm_rms_epsilon", 1.0));
  PITH_TRY_VOID(read_rope(keys, config));
  PITH_TRY_VOID(read_vocabulary_size(keys, config));
  return config;
}

}  // namespace pith
