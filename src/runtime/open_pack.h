// Reasoning packs that are given by name or path, ready to run with a model.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "engine/engine.h"
#include "model/adapter.h"
#include "reason/pack.h"
#include "reason/route.h"
#include "reason/verifier.h"
#include "reason/vote.h"
#include "runtime/open_model.h"

namespace pith {

struct PackOptions {
  std::string pack;  // name or path; empty: none
  ThinkMode think = ThinkMode::automatic;
  std::optional<VoteRule> vote;  // none: chosen_vote() chooses
};

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

// What a vote weighs: the user's rule, else that of vote_of(). `pack` may be null. Errors: usage
// (by a verifier, and there is none).
Result<VoteRule> chosen_vote(std::optional<VoteRule> wanted, const LoadedPack* pack);

// The same before anything is loaded: whether there can be votes by the rule at all.
Status check_vote(const PackOptions& options);

// Makes the pack's adapter known to the engine, and to the pack's verifier if that reads
// with it. kNoAdapter when the pack has none.
AdapterId attach_pack(Engine& engine, LoadedPack& loaded);

}  // namespace pith
