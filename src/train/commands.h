// The commands of `pith-train`: one file each, as in cli/commands.h.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/program.h"

namespace pith::train {

void add_grpo(CLI::App& app, cli::Context& context);
void add_pack(CLI::App& app, cli::Context& context);
void add_sft(CLI::App& app, cli::Context& context);
void add_switcher(CLI::App& app, cli::Context& context);
void add_verifier(CLI::App& app, cli::Context& context);

}  // namespace pith::train
