#include "reason/self_consistency.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/clock.h"
#include "kernels/kernels.h"
#include "reason/early_stop.h"

namespace pith {
namespace {

int64_t whole_blocks(int64_t tokens) { return (tokens + kKvBlock - 1) / kKvBlock * kKvBlock; }

// What a branch may sample before it must answer.
int32_t budget_of(const SelfConsistencyOptions& options, bool thinking) {
  return thinking ? options.budget_tokens
                  : options.direct_budget_tokens.value_or(options.budget_tokens);
}

// The larger of those that are possible.
int32_t largest_budget(const SelfConsistencyOptions& options) {
  if (options.route.mode != ThinkMode::automatic || options.route.switcher == nullptr)
    return budget_of(options, options.route.mode != ThinkMode::off);
  return std::max(budget_of(options, true), budget_of(options, false));
}

int32_t verifier_tokens(const SelfConsistencyOptions& options) {
  return options.verifier != nullptr ? options.verifier->most_tokens() : 0;
}

int32_t at_once(const SelfConsistencyOptions& options) {
  return options.parallel > 0 ? std::min(options.parallel, options.branches) : options.branches;
}

BranchResult result_of(const Branch& branch) {
  const auto samples = branch.samples();
  BranchResult result;
  result.text = branch.text();
  // Half a text may look as if it had an answer.
  if (branch.finish_reason() != FinishReason::decided) result.answer = branch.answer();
  result.tokens = branch.sampled_tokens() + branch.read_tokens();
  result.finish_reason = branch.finish_reason();
  result.mean_log_probability = branch.mean_log_probability();
  result.confidence = branch_confidence(samples);
  result.samples.assign(samples.begin(), samples.end());
  return result;
}

Ballot ballot_of(const BranchResult& branch) {
  Ballot ballot;
  ballot.answer = branch.answer;
  ballot.mean_log_probability = branch.mean_log_probability;
  ballot.confidence = branch.confidence.weight();
  ballot.verifier_score = branch.verifier_score;
  return ballot;
}

std::vector<AnswerGroup> take_vote(std::span<Ballot> ballots,
                                   const SelfConsistencyOptions& options) {
  weigh(ballots, options.vote);
  return weighted_vote(ballots, options.kind);
}

// Passes everything on, notes when the first token came, keeps the results of branches as
// they finish, and takes the vote each time one does.
class Watch : public DecodeObserver {
 public:
  Watch(DecodeObserver& next, const SelfConsistencyOptions& options, Clock::time_point start)
      : next_(next), options_(options), start_(start) {}

  void on_prefill(int32_t done, int32_t total) override {
    if (keeper) keeper->on_prefill(done);
    next_.on_prefill(done, total);
  }
  void on_start(size_t branches) override {
    results.resize(branches);
    next_.on_start(branches);
  }
  void on_token(size_t index, const Branch& branch, std::string_view text) override {
    if (first_token_s == 0) first_token_s = seconds_since(start_);
    next_.on_token(index, branch, text);
  }
  void on_finish(size_t index, const Branch& branch, std::optional<double> score) override {
    next_.on_finish(index, branch, score);
    results[index] = result_of(branch);
    results[index].verifier_score = score;
    if (decided_ || !stops_early()) return;
    ballots_.push_back(ballot_of(results[index]));
    decided_ = is_enough(take_vote(ballots_, options_));
  }
  bool cancelled() override { return next_.cancelled(); }
  bool decided() override { return decided_ || next_.decided(); }
  Pace pace(const WorkAhead& ahead) override { return keeper ? keeper->pace(ahead) : Pace::free; }

  std::optional<DeadlineKeeper> keeper;  // where there is a deadline
  double first_token_s = 0;
  std::vector<BranchResult> results;  // by branch

 private:
  bool stops_early() const { return options_.stop_when_decided || options_.stop_at.has_value(); }

  bool is_enough(std::span<const AnswerGroup> groups) const {
    const size_t open = results.size() - ballots_.size();
    if (options_.stop_when_decided && vote_is_decided(groups, open)) return true;
    return options_.stop_at && leader_probability(groups) >= *options_.stop_at;
  }

  DecodeObserver& next_;
  const SelfConsistencyOptions& options_;
  Clock::time_point start_;
  std::vector<Ballot> ballots_;  // of the finished branches, in the order of their ends
  bool decided_ = false;
};

Status check_options(std::span<const TokenId> prompt, const SelfConsistencyOptions& options) {
  if (options.branches < 1 || options.branches > kMostBranches) {
    return fail(ErrorCode::usage, "{} branches: 1 to {} can be", options.branches, kMostBranches);
  }
  if (options.parallel < 0) {
    return fail(ErrorCode::usage, "{} branches at once: 0 (all) or more can be", options.parallel);
  }
  if (options.stop_at && !(*options.stop_at > 0.5 && *options.stop_at < 1)) {
    return fail(ErrorCode::usage, "a vote that stops at {}: it must be above 0.5 and below 1",
                *options.stop_at);
  }
  for (const int32_t budget : {budget_of(options, true), budget_of(options, false)}) {
    if (budget >= 1) continue;
    return fail(ErrorCode::usage, "a budget of {} tokens: at least 1 is needed", budget);
  }
  if (options.vote == VoteRule::verifier && options.verifier == nullptr) {
    return fail(ErrorCode::usage, "a vote by a verifier's scores, without a verifier");
  }
  if (prompt.empty()) return fail(ErrorCode::usage, "the prompt is empty");
  return {};
}

// The plan, with the budget cut to what the context leaves.
Result<BranchPlan> make_plan(const Engine& engine, const Tokenizer& tokenizer, size_t prompt_tokens,
                             const SelfConsistencyOptions& options, int32_t budget_tokens) {
  BranchPlan plan =
      BranchPlan::answering(tokenizer, budget_tokens, options.kind, options.thinking_end);
  plan.soft_landing = options.soft_landing;
  const int64_t context = engine.options().context_tokens;
  const int64_t needed = plan.allowance_tokens() + verifier_tokens(options);
  const int64_t room = context - static_cast<int64_t>(prompt_tokens) - needed;
  if (room < 1) {
    return fail(ErrorCode::exhausted,
                "the prompt is too long: it has {} tokens, and of the context of {} an answer "
                "needs {}",
                prompt_tokens, context, needed + 1);
  }
  if (room < plan.budget_tokens) {
    plan.budget_tokens = static_cast<int32_t>(room);
    plan.limit = FinishReason::context;
  }
  return plan;
}

PlanLimits limits_of(const BranchPlan& plan, const SelfConsistencyOptions& options,
                     int32_t prompt_tokens) {
  PlanLimits limits;
  limits.most_branches = options.branches;
  limits.most_budget_tokens = plan.budget_tokens;
  limits.parallel = options.parallel;
  limits.prompt_tokens = prompt_tokens;
  limits.closing_tokens = plan.allowance_tokens() - kForcedAnswerTokens;
  limits.scoring_tokens = verifier_tokens(options);
  return limits;
}

AccuracyCurve curve_of(const SelfConsistencyOptions& options, bool thinking) {
  return AccuracyCurve(results_for(options.deadline->results,
                                   think_mode_name(thinking ? ThinkMode::on : ThinkMode::off),
                                   vote_rule_name(options.vote)));
}

void vote(SelfConsistencyResult& result, const SelfConsistencyOptions& options) {
  std::vector<Ballot> ballots;
  for (const BranchResult& branch : result.branches) ballots.push_back(ballot_of(branch));
  result.groups = take_vote(ballots, options);
  if (result.groups.empty()) return;
  const AnswerGroup& winner = result.groups.front();
  result.best_branch = winner.best;
  result.confidence = winner.weight_share;
  if (!options.calibration) return;
  size_t votes = 0;
  for (const AnswerGroup& group : result.groups) votes += group.members.size();
  result.confidence = options.calibration->probability(winner.weight_share, votes);
  result.confidence_kind = ConfidenceKind::calibrated;
}

int64_t estimate_saved_tokens(std::span<const BranchResult> branches) {
  double finished = 0;
  double tokens = 0;
  for (const BranchResult& branch : branches) {
    if (branch.finish_reason == FinishReason::decided) continue;
    finished += 1;
    tokens += branch.tokens;
  }
  if (finished == 0) return 0;
  double saved = 0;
  for (const BranchResult& branch : branches) {
    if (branch.finish_reason != FinishReason::decided) continue;
    saved += std::max(tokens / finished - branch.tokens, 0.0);
  }
  return std::llround(saved);
}

}  // namespace

std::string_view confidence_kind_name(ConfidenceKind kind) {
  return kind == ConfidenceKind::calibrated ? "calibrated" : "agreement";
}

double SelfConsistencyResult::prefill_tokens_per_s() const {
  return prefill_s > 0 ? prompt_tokens / prefill_s : 0;
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
  const int64_t per_branch = whole_blocks(int64_t{plan.budget_tokens} + plan.allowance_tokens() +
                                          verifier_tokens(options)) +
                             kKvBlock;
  return whole_blocks(prompt_tokens) + at_once(options) * per_branch;
}

Result<SelfConsistencyResult> self_consistency(Engine& engine, const Tokenizer& tokenizer,
                                               std::span<const TokenId> prompt,
                                               const SelfConsistencyOptions& options,
                                               DecodeObserver& observer) {
  PITH_TRY_VOID(check_options(prompt, options));
  const RoutedPrompt routed{
      prompt, options.direct_prompt.empty() ? prompt : std::span(options.direct_prompt),
      options.adapter};
  // Nothing is read if in the end there were no room for an answer.
  const size_t longest = std::max(routed.thinking.size(), routed.direct.size());
  PITH_TRY_VOID(make_plan(engine, tokenizer, longest, options, 1));

  const auto start = Clock::now();
  Watch watch(observer, options, start);
  if (options.deadline) watch.keeper.emplace(*options.deadline, engine);
  SelfConsistencyResult result;

  OwnedSequence sequence(engine);
  PITH_TRY(const ReadPrompt read, read_routed(engine, sequence.id(), routed, options.route, watch));
  result.prefill_s = seconds_since(start);
  result.route = read.route;
  const bool thinking = read.route.thinking;
  const auto last_logits = engine.logits(read.logits_row);
  const std::vector<float> prompt_logits(last_logits.begin(), last_logits.end());
  result.prompt_tokens = static_cast<int32_t>(routed.tokens(thinking).size());
  PITH_TRY(BranchPlan plan, make_plan(engine, tokenizer, routed.tokens(thinking).size(), options,
                                      budget_of(options, thinking)));

  const AdapterId adapter = thinking ? options.adapter.adapter : kNoAdapter;
  int32_t count = options.branches;
  if (watch.keeper) {
    PITH_TRY(result.plan,
             watch.keeper->plan(engine, sequence, routed.tokens(thinking).back(), adapter,
                                limits_of(plan, options, result.prompt_tokens),
                                curve_of(options, thinking), watch));
    count = result.plan->branches;
    if (result.plan->budget_tokens < plan.budget_tokens) {
      plan.budget_tokens = result.plan->budget_tokens;
      plan.limit = FinishReason::deadline;
    }
  }
  SamplingOptions sampling = options.sampling;
  if (count == 1) sampling.temperature = options.lone_temperature.value_or(sampling.temperature);

  std::vector<Branch> branches;
  for (int32_t i = 0; i < count; ++i) {
    branches.emplace_back(tokenizer, plan, options.first_stream + static_cast<uint64_t>(i));
  }
  const DecodeOptions how{sampling, adapter, static_cast<size_t>(at_once(options)),
                          options.verifier};
  PITH_TRY_VOID(decode(engine, tokenizer, branches, sequence, prompt_logits, how, watch));
  result.total_s = seconds_since(start);
  result.decode_s = result.total_s - result.prefill_s;
  result.first_token_s = watch.first_token_s;

  result.branches = std::move(watch.results);
  for (const BranchResult& branch : result.branches) result.completion_tokens += branch.tokens;
  result.saved_tokens = estimate_saved_tokens(result.branches);
  vote(result, options);
  return result;
}

}  // namespace pith
