// Self-consistency (arXiv 2203.11171): several branches answer one prompt, and the
// answer that weighs most among them wins.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/sampler.h"
#include "reason/adapter_use.h"
#include "reason/answer.h"
#include "reason/branch.h"
#include "reason/branch_confidence.h"
#include "reason/calibration.h"
#include "reason/deadline.h"
#include "reason/decode.h"
#include "reason/route.h"
#include "reason/verifier.h"
#include "reason/vote.h"

namespace pith {

inline constexpr int32_t kMostBranches = 256;

struct SelfConsistencyOptions {
  int32_t branches = 8;  // 1 to kMostBranches
  int32_t parallel = 0;  // branches at once; 0: all
  // That each branch may sample before it must answer; 1 or more.
  int32_t budget_tokens = kDefaultBudget;
  // The same where it does not think; none: no other.
  std::optional<int32_t> direct_budget_tokens;
  AnswerKind kind = AnswerKind::number;
  SamplingOptions sampling;  // temperature 0 makes all branches the same
  // What the temperature of a branch is that runs alone, by plan too; none: the same.
  std::optional<float> lone_temperature;
  uint64_t first_stream = 0;  // branch i draws from stream first_stream + i
  bool soft_landing = true;   // as in BranchPlan
  std::string thinking_end;   // what closes the family's thoughts; empty: it has none
  RouteOptions route;         // whether the model thinks
  // What the prompt is when it does not think; empty: the same.
  std::vector<TokenId> direct_prompt;
  // Of the prompt, and of all that is sampled, when it thinks. The switcher reads what
  // stands before `from`.
  AdapterUse adapter;
  VoteRule vote = VoteRule::majority;
  // Borrowed; null: none. Scores the branches, whatever the vote.
  const Verifier* verifier = nullptr;
  // Ends the branches at work once they cannot change the winner any more.
  bool stop_when_decided = true;
  // Ends them too once leader_probability() is this or more, above 0.5 and below 1.
  std::optional<double> stop_at;
  std::optional<Calibration> calibration;  // of the vote's agreement
  // Until when there must be an answer; `branches` and the budget are then the most that a
  // plan may take.
  std::optional<Deadline> deadline;

  int32_t budget_of(bool thinking) const;
  int32_t verifier_tokens() const;  // that scoring adds to a branch
};

struct BranchResult {
  std::string text;    // all the model wrote, with the closing of a forced answer
  std::string answer;  // empty when the branch was cut off before it gave one, or decided
  int32_t tokens = 0;  // sampled, plus those of a forced closing
  FinishReason finish_reason = FinishReason::stop;
  double mean_log_probability = 0;  // of the sampled tokens, natural logarithm
  BranchConfidence confidence;
  std::optional<double> verifier_score;  // 0 to 1
  std::vector<SampledToken> samples;

  // Whether it was given a place at all.
  bool started() const { return !samples.empty(); }
};

// What the confidence of a result is.
enum class ConfidenceKind {
  agreement,   // the winner's share of the votes' weight
  calibrated,  // the chance that it is right, by a Calibration
};
std::string_view confidence_kind_name(ConfidenceKind kind);

struct SelfConsistencyResult {
  Route route;
  std::optional<TimePlan> plan;  // of a deadline
  int32_t prompt_tokens = 0;
  int32_t cached_tokens = 0;      // of the prompt, that were there before
  int32_t completion_tokens = 0;  // of all branches
  std::vector<BranchResult> branches;
  std::vector<AnswerGroup> groups;  // winner first; empty when no branch answered
  // The branch that speaks for the winner: AnswerGroup::best. The first branch when
  // nobody answered.
  size_t best_branch = 0;
  double confidence = 0;  // in the winner, see `confidence_kind`
  ConfidenceKind confidence_kind = ConfidenceKind::agreement;
  // Tokens that the branches which ended as `decided` would have taken further, were they
  // as long as the mean of the others: an estimate.
  int64_t saved_tokens = 0;
  double prefill_s = 0;
  double first_token_s = 0;  // from the start
  double decode_s = 0;
  double total_s = 0;

  double prefill_tokens_per_s() const;
  double decode_tokens_per_s() const;  // all branches together
  bool cancelled() const;              // a branch was
};

// Tokens of KV cache with which self_consistency() never runs out of room: the
// prompt once (the longer of the two), and what each branch that runs at once adds to it.
int64_t kv_tokens_needed(const Tokenizer& tokenizer, int32_t prompt_tokens,
                         const SelfConsistencyOptions& options);

// Reads the prompt once, decides whether to think, and decodes the branches together,
// `parallel` at once. Every
// branch is the same, to the bit, as it would be alone with its stream; one that an early
// stop ends is the beginning of that, and does not vote. A branch takes at most
// budget_tokens + BranchPlan::allowance_tokens() tokens; where the context leaves
// less, it must answer earlier, and its finish reason is `context`.
//
// With a deadline the branches and their budget are planned once the prompt has been read,
// and what still thinks when the time runs out must answer: the finish reason is then
// `deadline`. One answer there always is; if the time does not suffice for any, it comes late.
//
// All sequences are released, whatever happens. A cancel while branches decode is no
// error: they end as they stand. Errors: usage (an option out of range, an empty
// prompt, a vote by a verifier that is not there), those of check_boundary(), exhausted (the
// context has no room for the prompt and an answer), cancelled (before the first token).
Result<SelfConsistencyResult> self_consistency(Engine& engine, const Tokenizer& tokenizer,
                                               std::span<const TokenId> prompt,
                                               const SelfConsistencyOptions& options,
                                               DecodeObserver& observer);

}  // namespace pith
