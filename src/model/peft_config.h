// The settings of a PEFT adapter: adapter_config.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace pith {

// A number for the modules whose names end in a name: "q_proj", or
// "layers.3.mlp.up_proj". The first of a list that fits counts.
using PeftPattern = std::pair<std::string, double>;

struct PeftConfig {
  double rank = 0;   // r
  double alpha = 0;  // lora_alpha
  bool rank_stabilised = false;
  std::vector<PeftPattern> ranks;   // rank_pattern
  std::vector<PeftPattern> alphas;  // alpha_pattern
  std::vector<int64_t> invocation_tokens;

  // Of a module, by its full name: "model.layers.0.self_attn.q_proj".
  double rank_of(std::string_view module) const;
  double scale_of(std::string_view module) const;
};

// `path` is for messages. Errors: corrupt (not JSON, a setting of the wrong kind),
// unsupported (anything but plain or activated LoRA on linear layers, named).
Result<PeftConfig> parse_peft_config(std::string_view json, const std::string& path);

}  // namespace pith
