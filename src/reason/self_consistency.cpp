#include "reason/self_consistency.h"

#include <algorithm>
#include <utility>

#include "reason/kv_room.h"
#include "reason/self_consistency_run.h"

namespace pith {
namespace {

// The larger of those that are possible.
int32_t largest_budget(const SelfConsistencyOptions& options) {
  if (options.route.mode != ThinkMode::automatic || options.route.switcher == nullptr)
    return options.budget_of(options.route.mode != ThinkMode::off);
  return std::max(options.budget_of(true), options.budget_of(false));
}

int32_t at_once(const SelfConsistencyOptions& options) {
  return options.parallel > 0 ? std::min(options.parallel, options.branches) : options.branches;
}

}  // namespace

int32_t SelfConsistencyOptions::budget_of(bool thinking) const {
  return thinking ? budget_tokens : direct_budget_tokens.value_or(budget_tokens);
}

int32_t SelfConsistencyOptions::verifier_tokens() const {
  return verifier != nullptr ? verifier->most_tokens() : 0;
}

std::string_view confidence_kind_name(ConfidenceKind kind) {
  return kind == ConfidenceKind::calibrated ? "calibrated" : "agreement";
}

double SelfConsistencyResult::prefill_tokens_per_s() const {
  return prefill_s > 0 ? (prompt_tokens - cached_tokens) / prefill_s : 0;
}

double SelfConsistencyResult::decode_tokens_per_s() const {
  return decode_s > 0 ? completion_tokens / decode_s : 0;
}

bool SelfConsistencyResult::cancelled() const {
  return std::any_of(branches.begin(), branches.end(), [](const BranchResult& branch) {
    return branch.finish_reason == FinishReason::cancelled;
  });
}

int64_t kv_tokens_needed(const Tokenizer& tokenizer, int32_t prompt_tokens,
                         const SelfConsistencyOptions& options) {
  const BranchPlan plan =
      BranchPlan::answering(tokenizer, largest_budget(options), options.kind, options.thinking_end);
  // A branch writes into a copy of the prompt's last block, so one block more each.
  const int64_t per_branch =
      whole_kv_blocks(int64_t{plan.most_tokens()} + options.verifier_tokens()) + kKvBlock;
  return whole_kv_blocks(prompt_tokens) + at_once(options) * per_branch;
}

Result<SelfConsistencyResult> self_consistency(Engine& engine, const Tokenizer& tokenizer,
                                               std::span<const TokenId> prompt,
                                               const SelfConsistencyOptions& options,
                                               DecodeObserver& observer) {
  PITH_TRY(const auto run,
           SelfConsistencyRun::create(engine, tokenizer, prompt, options, observer));
  run_alone(engine, tokenizer, run->job(), *run);
  return run->take_result();
}

}  // namespace pith
