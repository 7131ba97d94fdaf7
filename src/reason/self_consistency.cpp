#include "reason/self_consistency.h"

#include <algorithm>

#include "base/clock.h"
#include "kernels/kernels.h"

namespace pith {
namespace {

int64_t whole_blocks(int64_t tokens) { return (tokens + kKvBlock - 1) / kKvBlock * kKvBlock; }

// Passes everything on and notes when the first token came.
class FirstTokenClock : public DecodeObserver {
 public:
  FirstTokenClock(DecodeObserver& next, Clock::time_point start) : next_(next), start_(start) {}

  void on_prefill(int32_t done, int32_t total) override { next_.on_prefill(done, total); }
  void on_token(size_t index, const Branch& branch, std::string_view text) override {
    if (first_token_s == 0) first_token_s = seconds_since(start_);
    next_.on_token(index, branch, text);
  }
  void on_finish(size_t index, const Branch& branch) override { next_.on_finish(index, branch); }
  bool cancelled() override { return next_.cancelled(); }

  double first_token_s = 0;

 private:
  DecodeObserver& next_;
  Clock::time_point start_;
};

Status check_options(std::span<const TokenId> prompt, const SelfConsistencyOptions& options) {
  if (options.branches < 1 || options.branches > kMostBranches) {
    return fail(ErrorCode::usage, "{} branches: 1 to {} can be", options.branches, kMostBranches);
  }
  if (options.budget_tokens < 1) {
    return fail(ErrorCode::usage, "a budget of {} tokens: at least 1 is needed",
                options.budget_tokens);
  }
  if (prompt.empty()) return fail(ErrorCode::usage, "the prompt is empty");
  return {};
}

// The plan, with the budget cut to what the context leaves.
Result<BranchPlan> make_plan(const Engine& engine, const Tokenizer& tokenizer, size_t prompt_tokens,
                             const SelfConsistencyOptions& options) {
  BranchPlan plan =
      BranchPlan::answering(tokenizer, options.budget_tokens, options.kind, options.thinking_end);
  const int64_t context = engine.options().context_tokens;
  const int64_t room = context - static_cast<int64_t>(prompt_tokens) - plan.allowance_tokens();
  if (room < 1) {
    return fail(ErrorCode::exhausted,
                "the prompt is too long: it has {} tokens, and of the context of {} an answer "
                "needs {}",
                prompt_tokens, context, plan.allowance_tokens() + 1);
  }
  if (room < plan.budget_tokens) {
    plan.budget_tokens = static_cast<int32_t>(room);
    plan.limit = FinishReason::context;
  }
  return plan;
}

BranchResult result_of(const Branch& branch) {
  const auto samples = branch.samples();
  return {branch.text(),
          branch.answer(),
          branch.sampled_tokens() + branch.read_tokens(),
          branch.finish_reason(),
          branch.mean_log_probability(),
          {samples.begin(), samples.end()}};
}

void vote(SelfConsistencyResult& result, AnswerKind kind) {
  std::vector<Ballot> ballots;
  for (const BranchResult& branch : result.branches) {
    ballots.push_back({branch.answer, branch.mean_log_probability});
  }
  result.groups = majority_vote(ballots, kind);
  if (result.groups.empty()) return;
  const AnswerGroup& winner = result.groups.front();
  result.confidence = winner.share;
  result.best_branch =
      *std::max_element(winner.members.begin(), winner.members.end(), [&](size_t a, size_t b) {
        return ballots[a].mean_log_probability < ballots[b].mean_log_probability;
      });
}

}  // namespace

std::string_view reasoning_prompt(AnswerKind kind) {
  switch (kind) {
    case AnswerKind::choice:
      return "Please reason step by step, and put the letter of your final answer within "
             "\\boxed{}.";
    case AnswerKind::yes_no:
      return "Please reason step by step, and put your final answer, Yes or No, within \\boxed{}.";
    case AnswerKind::number:
      break;
  }
  return kReasoningPrompt;
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
      BranchPlan::answering(tokenizer, options.budget_tokens, options.kind, options.thinking_end);
  // A branch writes into a copy of the prompt's last block, so one block more each.
  const int64_t per_branch =
      whole_blocks(int64_t{plan.budget_tokens} + plan.allowance_tokens()) + kKvBlock;
  return whole_blocks(prompt_tokens) + options.branches * per_branch;
}

Result<SelfConsistencyResult> self_consistency(Engine& engine, const Tokenizer& tokenizer,
                                               std::span<const TokenId> prompt,
                                               const SelfConsistencyOptions& options,
                                               DecodeObserver& observer) {
  PITH_TRY_VOID(check_options(prompt, options));
  PITH_TRY(const BranchPlan plan, make_plan(engine, tokenizer, prompt.size(), options));

  const auto start = Clock::now();
  FirstTokenClock clock(observer, start);
  SelfConsistencyResult result;
  result.prompt_tokens = static_cast<int32_t>(prompt.size());

  std::vector<OwnedSequence> sequences;
  sequences.emplace_back(engine);
  PITH_TRY(const size_t logits_row,
           read_prompt(engine, sequences[0].id(), prompt, clock, options.adapter));
  result.prefill_s = seconds_since(start);

  std::vector<Branch> branches;
  for (int32_t i = 0; i < options.branches; ++i) {
    if (i > 0) sequences.push_back(sequences[0].fork());
    branches.emplace_back(tokenizer, plan, options.first_stream + static_cast<uint64_t>(i));
  }
  PITH_TRY_VOID(decode(engine, tokenizer, branches, sequences, logits_row, options.sampling,
                       FinishedSequence::release, clock, options.adapter.adapter));
  result.total_s = seconds_since(start);
  result.decode_s = result.total_s - result.prefill_s;
  result.first_token_s = clock.first_token_s;

  for (const Branch& branch : branches) {
    result.branches.push_back(result_of(branch));
    result.completion_tokens += result.branches.back().tokens;
  }
  vote(result, options.kind);
  return result;
}

}  // namespace pith
