// What `pith eval` and `pith sample` have in common: their flags, and from these the
// model, the questions and the settings of a run.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/adapter_options.h"
#include "cli/pack_options.h"
#include "cli/run_options.h"
#include "eval/rollout.h"
#include "eval/task.h"
#include "runtime/open_model.h"

namespace pith::cli {

struct RolloutFlags {
  RunOptions run;
  AdapterOptions adapter;
  PackOptions pack;
  Task task = Task::gsm8k;
  std::string data;
  int32_t limit = 0;
  Shard shard;
  std::string system;
  bool own_system = false;  // the user gave one, perhaps an empty one
  RolloutOptions options;
  CLI::Option* budget = nullptr;  // the user's, in place of a pack's
};

// --task, --data, --limit, --shard, --samples, --budget, --parallel, --system, and all
// flags of models and of sampling. Returns --task, for what it is needed with.
void add_rollout_flags(CLI::App& command, RolloutFlags& flags, const std::string& quiet);

// What tells whoever writes the answers from others: model, adapter and pack by sha256, as
// the settings of a run have them. Errors: io.
Result<nlohmann::ordered_json> writer_settings(const OpenModel& model,
                                               const AdapterOptions& adapter,
                                               const std::optional<LoadedPack>& pack);

struct RolloutSetup {
  OpenModel model;
  ChatTemplate chat_template;
  std::shared_ptr<const Adapter> adapter;  // of the pack, or one by itself
  std::optional<LoadedPack> pack;
  std::vector<Question> questions;  // of the shard
  nlohmann::ordered_json settings;  // all that the samples depend on

  // Borrows from this.
  RolloutModel rollout_model() const;
};

// Errors: usage (--data is missing), those of reading the file and opening the model.
Result<RolloutSetup> set_up_rollouts(RolloutFlags& flags);

}  // namespace pith::cli
