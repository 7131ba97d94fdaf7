#include "model/peft_config.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "io/json.h"

namespace pith {
namespace {

using Json = nlohmann::ordered_json;

// Settings that the result does not depend on, once trained, or that we read. Any
// other one may be present as long as it is off.
constexpr std::array kKnown = {
    "alora_invocation_tokens",
    "alpha_pattern",
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_alpha",
    "lora_dropout",
    "lora_ga_config",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "rank_pattern",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "use_rslora",
};

// Ways to start the training that leave the base model's weights alone.
constexpr std::array kPlainStarts = {"gaussian", "eva", "orthogonal"};

template <size_t N>
bool contains(const std::array<const char*, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_off(const Json& value) {
  if (value.is_boolean()) return !value.get<bool>();
  return value.is_null() || value.is_number() || value.is_string() || value.empty();
}

// Matches the end of the name, from the start or after a point.
bool fits(std::string_view pattern, std::string_view module) {
  if (!module.ends_with(pattern)) return false;
  const size_t before = module.size() - pattern.size();
  return before == 0 || module[before - 1] == '.';
}

double look_up(const std::vector<PeftPattern>& patterns, std::string_view module, double fallback) {
  for (const auto& [pattern, value] : patterns) {
    if (fits(pattern, module)) return value;
  }
  return fallback;
}

class ConfigReader {
 public:
  ConfigReader(const Json& json, const std::string& path) : json_(json), path_(path) {}

  Result<PeftConfig> read() const {
    if (!json_.is_object()) return corrupt("it is not a JSON object");
    PITH_TRY_VOID(refuse_variants());
    PeftConfig config;
    PITH_TRY(config.rank, number("r", 8));
    PITH_TRY(config.alpha, number("lora_alpha", 8));
    PITH_TRY(config.rank_stabilised, boolean("use_rslora"));
    PITH_TRY(config.ranks, patterns("rank_pattern"));
    PITH_TRY(config.alphas, patterns("alpha_pattern"));
    PITH_TRY(config.invocation_tokens, tokens("alora_invocation_tokens"));
    return config;
  }

 private:
  tl::unexpected<Error> corrupt(std::string_view what) const {
    return fail(ErrorCode::corrupt, "{}: {}", printable(path_, 400), what);
  }
  tl::unexpected<Error> unsupported(std::string_view what) const {
    return fail(ErrorCode::unsupported, "{}: {}", printable(path_, 400), what);
  }

  // nullptr where it is absent or null.
  const Json* find(const char* key) const {
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }

  Result<std::string> text(const char* key, const char* fallback) const {
    const Json* value = find(key);
    if (value == nullptr) return std::string(fallback);
    if (!value->is_string()) return corrupt(fmt::format("'{}' is not a string", key));
    return value->get<std::string>();
  }

  Result<bool> boolean(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) return corrupt(fmt::format("'{}' is not true or false", key));
    return value->get<bool>();
  }

  Result<double> number(const char* key, double fallback) const {
    const Json* value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_number()) return corrupt(fmt::format("'{}' is not a number", key));
    return value->get<double>();
  }

  Result<std::vector<PeftPattern>> patterns(const char* key) const {
    std::vector<PeftPattern> all;
    const Json* value = find(key);
    if (value == nullptr) return all;
    if (!value->is_object()) return corrupt(fmt::format("'{}' is not an object", key));
    for (const auto& [name, each] : value->items()) {
      if (!each.is_number()) return corrupt(fmt::format("'{}' holds what is no number", key));
      const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
      });
      if (!plain || name.empty()) {
        return unsupported(
            fmt::format("'{}' names modules by the expression '{}'; plain names can be read", key,
                        printable(name)));
      }
      all.emplace_back(name, each.get<double>());
    }
    return all;
  }

  Result<std::vector<int64_t>> tokens(const char* key) const {
    std::vector<int64_t> all;
    const Json* value = find(key);
    if (value == nullptr) return all;
    if (!value->is_array()) return corrupt(fmt::format("'{}' is not a list", key));
    for (const Json& token : *value) {
      if (!token.is_number_unsigned() || token.get<uint64_t>() > INT32_MAX) {
        return corrupt(fmt::format("'{}' holds what is no token", key));
      }
      all.push_back(token.get<int64_t>());
    }
    return all;
  }

  Status refuse_variants() const {
    PITH_TRY(const std::string type, text("peft_type", "LORA"));
    if (type != "LORA") {
      return unsupported(fmt::format("an adapter of type '{}'; LORA can be run", printable(type)));
    }
    PITH_TRY(const std::string bias, text("bias", "none"));
    if (bias != "none") return unsupported("it was trained with biases ('bias'), not LoRA alone");
    if (const Json* start = find("init_lora_weights"); start != nullptr && start->is_string()) {
      const auto& name = start->get_ref<const std::string&>();
      if (!contains(kPlainStarts, name)) {
        return unsupported(
            fmt::format("it was started by '{}', which changes the base model's "
                        "weights; convert it to plain LoRA",
                        printable(name)));
      }
    }
    for (const auto& [key, value] : json_.items()) {
      if (contains(kKnown, key) || is_off(value)) continue;
      return unsupported(
          fmt::format("its setting '{}' cannot be run; plain LoRA on linear layers "
                      "can",
                      printable(key)));
    }
    return {};
  }

  const Json& json_;
  const std::string& path_;
};

}  // namespace

double PeftConfig::rank_of(std::string_view module) const { return look_up(ranks, module, rank); }

double PeftConfig::scale_of(std::string_view module) const {
  const double its_rank = rank_of(module);
  return look_up(alphas, module, alpha) / (rank_stabilised ? std::sqrt(its_rank) : its_rank);
}

Result<PeftConfig> parse_peft_config(std::string_view json, const std::string& path) {
  PITH_TRY(const Json parsed, parse_json<Json>(json, path));
  return ConfigReader(parsed, path).read();
}

}  // namespace pith
