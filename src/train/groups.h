// Groups of completions: several of one question with one budget, drawn by the engine.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/function_ref.h"
#include "eval/rollout.h"
#include "train/example.h"
#include "train/reward.h"

namespace pith::train {

// Whether a completion is right.
using Judge = std::function<bool(const Question& question, const Branch& branch)>;
// It came to its end by itself, with the answer that the question has.
bool is_right(const Question& question, const Branch& branch);

struct GroupOptions {
  int32_t samples = 8;  // of a group
  std::vector<int32_t> budgets = {100, 150, 200, 300};
  double margin = 0.25;  // of a budget: see length_reward()
  std::string system;    // with {budget}; empty: as told_budget() has it
  float temperature = 1;
  int32_t parallel = 16;  // completions at a time; none depends on it
};

struct Completion {
  Example example;
  std::vector<float> log_probabilities;  // by token, as the engine has them, at temperature 1
  Outcome outcome;
  bool truncated = false;  // it did not come to its end
  std::string text;
};

struct Group {
  int32_t place = 0;  // among those that are drawn together
  const Question* question = nullptr;
  int32_t budget_tokens = 0;
  std::vector<Completion> completions;  // by number
};

// The system prompt for a kind of answer that states the budget.
std::string told_budget(AnswerKind kind, int32_t budget_tokens);

// The group at each position of a run's endless order: every question once, in an order of
// its own each time, and every budget once in as many positions as there are budgets. A
// function of the position alone.
struct GroupOrder {
  std::span<const Question> questions;
  std::span<const int32_t> budgets;
  uint64_t seed = 0;

  Group at(int64_t position) const;  // without completions
};

struct DrawWatcher {
  FunctionRef<void(double share)> on_part;
  FunctionRef<bool()> cancelled;
};

// Draws the completions of all groups together; a prompt is read once for its group. Each is
// the same, to the bit, whatever `parallel` and the other groups are: a function of model,
// adapter, group, its place, and seed.
//   `header`: of the assistant's turn.
// Errors: those of draw_rollouts().
Status draw_groups(const RolloutModel& model, std::span<const TokenId> header,
                   const GroupOptions& options, uint64_t seed, const Judge& judge,
                   std::span<Group> groups, const DrawWatcher& watcher);

}  // namespace pith::train
