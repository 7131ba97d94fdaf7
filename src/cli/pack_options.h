// The flags of the commands that reason.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "runtime/open_pack.h"

namespace pith::cli {

// --pack and --think. A pack brings its own adapter: `adapter` is the option that it excludes.
void add_pack_flags(CLI::App& command, PackOptions& options, CLI::Option* adapter);

// --vote. The help is `description`, the rules, and what goes when none is named.
CLI::Option* add_vote_flag(CLI::App& command, std::optional<VoteRule>& vote,
                           const std::string& description, const std::string& otherwise);
// What goes in commands that ask.
inline constexpr const char* kAskedVote =
    "the pack's; by its verifier where it names none and has one, else by majority";

// --no-landing, which clears `soft_landing`.
void add_landing_flag(CLI::App& command, bool& soft_landing);

}  // namespace pith::cli
