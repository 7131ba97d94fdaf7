// A question, asked of a model that is open: one way for `pith ask` and for programs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "reason/self_consistency.h"
#include "runtime/open_model.h"
#include "runtime/open_pack.h"

namespace pith {

inline constexpr double kLeastDeadline = 0.01;  // seconds
inline constexpr double kMostDeadline = 1e6;

// Who is asked. Borrows all of it.
struct Reasoner {
  const OpenModel& model;
  ThreadPool& pool;                        // that the work is done on
  LoadedPack* pack = nullptr;              // null: none; made known to the engine of a question
  std::shared_ptr<const Adapter> adapter;  // where there is no pack; null: none
};

struct Ask {
  std::optional<std::string> system;     // empty: none; none: the pack's, else the kind's own
  std::optional<int32_t> budget_tokens;  // none: the pack's, else kDefaultBudget
  std::optional<float> temperature;      // none: that of SamplingOptions, and 0 for one branch
  std::optional<VoteRule> vote;          // none: chosen_vote() chooses
  ThinkMode think = ThinkMode::automatic;
  KvType kv_type = KvType::int16;
  int32_t context_tokens = 0;  // 0: what the model takes
  std::optional<Clock::time_point> deadline;
  // How many branches vote, when they are stopped, by what their agreement is calibrated (none:
  // by what the pack has); what is said above is put in its place.
  SelfConsistencyOptions reason;
};

struct Asked {
  SelfConsistencyResult result;
  VoteRule vote = VoteRule::majority;
  bool thinking = false;  // the model was made to reason before it answers
};

// Without the white space at its end. Errors: usage (nothing is left, or it is not UTF-8).
Result<std::string> clean_question(std::string question);

// On an engine with room for just this question; `question` is clean. Errors: usage, those of
// render_chat(), Engine::create() and self_consistency(); unsupported (no chat template).
Result<Asked> ask(const Reasoner& reasoner, const std::string& question, const Ask& how,
                  DecodeObserver& observer);

}  // namespace pith
