// The flags of the commands that reason, and from these a pack that is ready.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/adapter_options.h"
#include "cli/open_model.h"
#include "model/adapter.h"
#include "reason/pack.h"
#include "reason/route.h"
#include "reason/verifier.h"
#include "reason/vote.h"

namespace pith::cli {

struct PackOptions {
  std::string pack;  // name or path; empty: none
  ThinkMode think = ThinkMode::automatic;
  std::optional<VoteRule> vote;  // none: chosen_vote() chooses
};

// --pack and --think. A pack brings its own adapter: `adapter` is the option that it excludes.
void add_pack_flags(CLI::App& command, PackOptions& options, CLI::Option* adapter);

// --vote. `description` ends in what each rule weighs.
CLI::Option* add_vote_flag(CLI::App& command, PackOptions& options, const std::string& description);

// --no-landing, which clears `soft_landing`.
void add_landing_flag(CLI::App& command, bool& soft_landing);

// Whether there can be votes by the rule at all, before anything is loaded. Errors: usage
// (by a verifier, without a pack).
Status check_vote(const PackOptions& options);

// The folder that `name_or_path` stands for. What has a '/' is a path; a name is looked for
// in the store's folder "packs", then in those that come with pith. Errors: not_found, with
// the places that were searched.
Result<std::string> resolve_pack(std::string_view name_or_path);

// A pack that is for the model, with its adapter in memory.
struct LoadedPack {
  Pack pack;
  std::shared_ptr<const Adapter> adapter;  // null: it has none
  std::optional<Verifier> verifier;        // none: it has none

  const Switcher* switcher() const { return pack.switcher ? &*pack.switcher : nullptr; }
};

// None when none is asked for. Errors: those of resolve_pack, open_pack, check_pack and
// Adapter::load.
Result<std::optional<LoadedPack>> load_pack(const OpenModel& model, const PackOptions& options,
                                            AdapterPrecision precision);

// The user's, else `verifier` where the pack has one, else `majority`. Errors: usage (by a
// verifier, and there is none).
Result<VoteRule> chosen_vote(const PackOptions& options, const std::optional<LoadedPack>& pack);

// Makes the pack's adapter known to the engine, and to the pack's verifier if that reads
// with it. kNoAdapter when the pack has none.
AdapterId attach_pack(Engine& engine, LoadedPack& loaded);

}  // namespace pith::cli
