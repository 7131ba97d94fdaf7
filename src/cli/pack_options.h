// The flags of the commands that reason.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "runtime/open_pack.h"

namespace pith::cli {

// --pack and --think. A pack brings its own adapter: `adapter` is the option that it excludes.
void add_pack_flags(CLI::App& command, PackOptions& options, CLI::Option* adapter);

// --vote. `description` ends in what each rule weighs.
CLI::Option* add_vote_flag(CLI::App& command, PackOptions& options, const std::string& description);

// --no-landing, which clears `soft_landing`.
void add_landing_flag(CLI::App& command, bool& soft_landing);

}  // namespace pith::cli
