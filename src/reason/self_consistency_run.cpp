#include "reason/self_consistency_run.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "reason/early_stop.h"

namespace pith {
namespace {

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
  for (const int32_t budget : {options.budget_of(true), options.budget_of(false)}) {
    if (budget >= 1) continue;
    return fail(ErrorCode::usage, "a budget of {} tokens: at least 1 is needed", budget);
  }
  if (options.vote == VoteRule::verifier && options.verifier == nullptr) {
    return fail(ErrorCode::usage, "a vote by a verifier's scores, without a verifier");
  }
  if (prompt.empty()) return fail(ErrorCode::usage, "the prompt is empty");
  return {};
}

PlanLimits limits_of(const BranchPlan& plan, const SelfConsistencyOptions& options,
                     int32_t prompt_tokens) {
  PlanLimits limits;
  limits.most_branches = options.branches;
  limits.most_budget_tokens = plan.budget_tokens;
  limits.parallel = options.parallel;
  limits.prompt_tokens = prompt_tokens;
  limits.closing_tokens = plan.allowance_tokens() - kForcedAnswerTokens;
  limits.scoring_tokens = options.verifier_tokens();
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

SelfConsistencyRun::SelfConsistencyRun(Engine& engine, const Tokenizer& tokenizer,
                                       std::span<const TokenId> prompt,
                                       SelfConsistencyOptions options, DecodeObserver& next)
    : engine_(engine),
      tokenizer_(tokenizer),
      prompt_(prompt.begin(), prompt.end()),
      options_(std::move(options)),
      next_(next) {}

Result<std::unique_ptr<SelfConsistencyRun>> SelfConsistencyRun::create(
    Engine& engine, const Tokenizer& tokenizer, std::span<const TokenId> prompt,
    SelfConsistencyOptions options, DecodeObserver& next) {
  PITH_TRY_VOID(check_options(prompt, options));
  std::unique_ptr<SelfConsistencyRun> run(
      new SelfConsistencyRun(engine, tokenizer, prompt, std::move(options), next));
  // Nothing is read if in the end there were no room for an answer.
  const size_t longest = std::max(prompt.size(), run->options_.direct_prompt.size());
  PITH_TRY_VOID(run->make_plan(longest, 1));
  return run;
}

// The plan, with the budget cut to what the context leaves.
Result<BranchPlan> SelfConsistencyRun::make_plan(size_t prompt_tokens,
                                                 int32_t budget_tokens) const {
  BranchPlan plan =
      BranchPlan::answering(tokenizer_, budget_tokens, options_.kind, options_.thinking_end);
  plan.soft_landing = options_.soft_landing;
  const int64_t context = engine_.options().context_tokens;
  const int64_t needed = plan.allowance_tokens() + options_.verifier_tokens();
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

BatchJob SelfConsistencyRun::job() const {
  BatchJob job;
  job.prompt = prompt_;
  job.direct_prompt = options_.direct_prompt;
  job.adapter = options_.adapter;
  job.route = options_.route;
  job.parallel = static_cast<size_t>(options_.parallel);
  job.verifier = options_.verifier;
  for (const bool thinking : {true, false}) {
    const auto plan = make_plan(job.routed().tokens(thinking).size(), options_.budget_of(thinking));
    job.branch_tokens =
        std::max(job.branch_tokens, plan->most_tokens() + options_.verifier_tokens());
  }
  return job;
}

void SelfConsistencyRun::on_begin(int32_t cached_tokens) {
  result_.cached_tokens = cached_tokens;
  start_ = Clock::now();
  if (options_.deadline) keeper_.emplace(*options_.deadline, engine_, cached_tokens);
}

void SelfConsistencyRun::on_prefill(int32_t done_tokens, int32_t prompt_tokens) {
  if (keeper_) keeper_->on_prefill(done_tokens);
  next_.on_prefill(done_tokens, prompt_tokens);
}

Result<std::span<Branch>> SelfConsistencyRun::on_read(const JobPrompt& prompt) {
  result_.prefill_s = seconds_since(start_);
  result_.route = prompt.route;
  result_.prompt_tokens = static_cast<int32_t>(prompt.tokens.size());
  const bool thinking = prompt.route.thinking;
  PITH_TRY(plan_, make_plan(prompt.tokens.size(), options_.budget_of(thinking)));
  int32_t count = options_.branches;
  if (keeper_) {
    const AdapterId adapter = thinking ? options_.adapter.adapter : kNoAdapter;
    PITH_TRY(result_.plan, keeper_->plan(engine_, prompt.sequence, prompt.tokens.back(), adapter,
                                         limits_of(plan_, options_, result_.prompt_tokens),
                                         curve_of(options_, thinking), next_));
    count = result_.plan->branches;
    if (result_.plan->budget_tokens < plan_.budget_tokens) {
      plan_.budget_tokens = result_.plan->budget_tokens;
      plan_.limit = FinishReason::deadline;
    }
  }
  sampling_ = options_.sampling;
  if (count == 1) {
    sampling_.temperature = options_.lone_temperature.value_or(sampling_.temperature);
  }
  for (int32_t i = 0; i < count; ++i) {
    branches_.emplace_back(tokenizer_, plan_, options_.first_stream + static_cast<uint64_t>(i));
  }
  return std::span(branches_);
}

void SelfConsistencyRun::on_start(size_t branches) {
  result_.branches.resize(branches);
  next_.on_start(branches);
}

void SelfConsistencyRun::on_logits(size_t index, std::span<const float> logits) {
  next_.on_logits(index, logits);
}

void SelfConsistencyRun::on_token(size_t index, const Branch& branch, std::string_view text) {
  if (result_.first_token_s == 0) result_.first_token_s = seconds_since(start_);
  next_.on_token(index, branch, text);
}

// Keeps the results of branches, and takes the vote each time.
void SelfConsistencyRun::on_finish(size_t index, const Branch& branch,
                                   std::optional<double> score) {
  result_.branches[index] = result_of(branch);
  result_.branches[index].verifier_score = score;
  next_.on_finish(index, branch, score);
  if (decided_ || !(options_.stop_when_decided || options_.stop_at)) return;
  ballots_.push_back(ballot_of(result_.branches[index]));
  decided_ = is_enough(take_vote(ballots_, options_));
}

bool SelfConsistencyRun::is_enough(std::span<const AnswerGroup> groups) const {
  const size_t open = result_.branches.size() - ballots_.size();
  if (options_.stop_when_decided && vote_is_decided(groups, open)) return true;
  return options_.stop_at && leader_probability(groups) >= *options_.stop_at;
}

Pace SelfConsistencyRun::pace(const WorkAhead& ahead) {
  return keeper_ ? keeper_->pace(ahead) : Pace::free;
}

void SelfConsistencyRun::on_end(const Status& status) {
  done_ = true;
  status_ = status;
  result_.total_s = seconds_since(start_);
  result_.decode_s = result_.total_s - result_.prefill_s;
  for (const BranchResult& branch : result_.branches) result_.completion_tokens += branch.tokens;
  result_.saved_tokens = estimate_saved_tokens(result_.branches);
  vote(result_, options_);
}

Result<SelfConsistencyResult> SelfConsistencyRun::take_result() {
  PITH_CHECK(done_);
  PITH_TRY_VOID(std::move(status_));
  return std::move(result_);
}

}  // namespace pith
