// The flags that all commands which talk to a model share.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>

#include "engine/engine.h"
#include "engine/sampler.h"
#include "runtime/open_model.h"

namespace pith::cli {

struct RunOptions {
  OpenModelOptions model;
  int32_t context_tokens = 0;  // 0: the command's own choice
  KvType kv_type = KvType::int16;
  SamplingOptions sampling;
};

// -m, -t, --kv, -q. `quiet` says what the last of them does.
void add_loading_flags(CLI::App& command, RunOptions& options, const std::string& quiet);

// -c, --chat-template. `context` says what the default of the first is.
void add_conversation_flags(CLI::App& command, RunOptions& options, const std::string& context);

// --temperature, --top-k, --top-p, --min-p, --repetition-penalty, --seed. Returns
// the option of the temperature.
CLI::Option* add_sampling_flags(CLI::App& command, RunOptions& options);

// --system. "-sys", as llama.cpp has it, becomes this in main(): CLI11 knows no such name.
CLI::Option* add_system_option(CLI::App& command, std::string& system,
                               const std::string& description);

}  // namespace pith::cli
