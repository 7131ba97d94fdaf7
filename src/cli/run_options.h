// The flags that all commands which talk to a model share.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/open_model.h"
#include "engine/engine.h"
#include "engine/sampler.h"

namespace pith::cli {

struct RunOptions {
  OpenModelOptions model;
  int32_t context_tokens = 0;  // 0: the command's own choice
  KvType kv_type = KvType::int16;
  SamplingOptions sampling;
};

// -m, -t, --kv, -q.
void add_loading_flags(CLI::App& command, RunOptions& options);

// Those, and -c, --chat-template.
void add_model_flags(CLI::App& command, RunOptions& options);

// An option that takes one of the names.
template <class T>
CLI::Option* add_choice(CLI::App& command, const std::string& flags, T& value,
                        std::vector<std::pair<std::string_view, T>> choices,
                        const std::string& description) {
  const auto choose = [&value, flags, choices](const std::string& name) {
    std::string names;
    for (const auto& [known, known_value] : choices) {
      if (known == name) {
        value = known_value;
        return;
      }
      names += fmt::format("{}{}", names.empty() ? "" : ", ", known);
    }
    throw CLI::ValidationError(flags, fmt::format("'{}' is none of {}", name, names));
  };
  return command.add_option_function<std::string>(flags, choose, description)->option_text("NAME");
}

// --temperature, --top-k, --top-p, --min-p, --repetition-penalty, --seed. Returns
// the option of the temperature.
CLI::Option* add_sampling_flags(CLI::App& command, RunOptions& options);

}  // namespace pith::cli
