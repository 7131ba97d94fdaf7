#include <chrono>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "capi/guard.h"
#include "capi/session.h"
#include "runtime/ask.h"

namespace pith::capi {
namespace {

constexpr pith_ask_options kAskDefaults = {
    sizeof(pith_ask_options), 8,       0, 0, 0.0, PITH_VOTE_DEFAULT, PITH_THINK_AUTO,
    PITH_ANSWER_NUMBER,       nullptr, 0, 0, 0.0, kSamplingDefaults};

Result<std::optional<VoteRule>> read_vote(const pith_vote_rule& vote) {
  switch (raw_value(vote)) {
    case PITH_VOTE_DEFAULT:
      return std::nullopt;
    case PITH_VOTE_MAJORITY:
      return VoteRule::majority;
    case PITH_VOTE_CONFIDENCE:
      return VoteRule::confidence;
    case PITH_VOTE_VERIFIER:
      return VoteRule::verifier;
  }
  return fail(ErrorCode::usage, "vote is {}, which is no pith_vote_rule", raw_value(vote));
}

pith_vote_rule vote_rule_of(VoteRule vote) {
  switch (vote) {
    case VoteRule::majority:
      return PITH_VOTE_MAJORITY;
    case VoteRule::confidence:
      return PITH_VOTE_CONFIDENCE;
    case VoteRule::verifier:
      break;
  }
  return PITH_VOTE_VERIFIER;
}

Result<AnswerKind> read_kind(const pith_answer_kind& kind) {
  switch (raw_value(kind)) {
    case PITH_ANSWER_NUMBER:
      return AnswerKind::number;
    case PITH_ANSWER_CHOICE:
      return AnswerKind::choice;
    case PITH_ANSWER_YES_NO:
      return AnswerKind::yes_no;
  }
  return fail(ErrorCode::usage, "kind is {}, which is no pith_answer_kind", raw_value(kind));
}

Result<Ask> read_ask(const pith_ask_options& options, Clock::time_point start) {
  Ask how;
  PITH_TRY_VOID(in_range("branches", options.branches, 1, kMostBranches));
  PITH_TRY_VOID(in_range("parallel", options.parallel, 0, kMostBranches));
  PITH_TRY_VOID(in_range("budget_tokens", options.budget_tokens, 0, kMostBudget));
  how.reason.branches = options.branches;
  how.reason.parallel = options.parallel;
  if (options.budget_tokens > 0) how.budget_tokens = options.budget_tokens;
  if (options.deadline_s != 0) {
    PITH_TRY_VOID(in_range("deadline_s", options.deadline_s, kLeastDeadline, kMostDeadline));
    const std::chrono::duration<double> time(options.deadline_s);
    how.deadline = start + std::chrono::duration_cast<Clock::duration>(time);
  }
  PITH_TRY(how.vote, read_vote(options.vote));
  PITH_TRY(how.think, read_think(options.think));
  PITH_TRY(how.reason.kind, read_kind(options.kind));
  if (options.system != nullptr) how.system = options.system;
  how.reason.stop_when_decided = options.all_branches == 0;
  how.reason.soft_landing = options.no_landing == 0;
  if (options.stop_at != 0) how.reason.stop_at = options.stop_at;
  PITH_TRY(how.reason.sampling, read_sampling(options.sampling));
  if (options.sampling.temperature >= 0) how.temperature = options.sampling.temperature;
  return how;
}

// Owns what the pith_answer points to.
struct OwnedAnswer : pith_answer {
  OwnedAnswer(Asked asked_question, double deadline);
  OwnedAnswer(const OwnedAnswer&) = delete;
  OwnedAnswer& operator=(const OwnedAnswer&) = delete;

  Asked asked;
  std::vector<pith_branch> all_branches;
  std::vector<const pith_branch*> branch_pointers;
  std::vector<std::vector<int32_t>> members;
  std::vector<pith_vote> all_votes;
  std::vector<const pith_vote*> vote_pointers;

 private:
  void add_branches();
  void add_votes();
};

OwnedAnswer::OwnedAnswer(Asked asked_question, double deadline)
    : pith_answer{}, asked(std::move(asked_question)) {
  const SelfConsistencyResult& result = asked.result;
  add_branches();
  add_votes();
  answer = view_of(result.groups.empty() ? std::string_view() : result.groups.front().answer);
  text = view_of(result.branches[result.best_branch].text);
  best_branch = static_cast<int32_t>(result.best_branch);
  thinking = asked.thinking ? 1 : 0;
  think_probability = result.route.probability.value_or(-1);
  confidence = result.confidence;
  calibrated = result.confidence_kind == ConfidenceKind::calibrated ? 1 : 0;
  vote = vote_rule_of(asked.vote);
  cancelled = result.cancelled() ? 1 : 0;
  prompt_tokens = result.prompt_tokens;
  completion_tokens = result.completion_tokens;
  saved_tokens = result.saved_tokens;
  prefill_s = result.prefill_s;
  first_token_s = result.first_token_s;
  decode_s = result.decode_s;
  total_s = result.total_s;
  deadline_s = deadline;
  if (!result.plan) return;
  planned_branches = result.plan->branches;
  planned_budget_tokens = result.plan->budget_tokens;
  planned_s = result.plan->seconds;
}

void OwnedAnswer::add_branches() {
  all_branches.reserve(asked.result.branches.size());
  for (const BranchResult& from : asked.result.branches) {
    pith_branch branch = {};
    branch.answer = view_of(from.answer);
    branch.text = view_of(from.text);
    branch.score = std::exp(from.mean_log_probability);
    branch.confidence = from.confidence.weight();
    branch.verifier_score = from.verifier_score.value_or(-1);
    branch.tokens = from.tokens;
    branch.finish_reason = finish_reason_of(from.finish_reason);
    all_branches.push_back(branch);
  }
  for (const pith_branch& branch : all_branches) branch_pointers.push_back(&branch);
  branch_count = branch_pointers.size();
  branches = branch_pointers.data();
}

void OwnedAnswer::add_votes() {
  const std::vector<AnswerGroup>& groups = asked.result.groups;
  members.reserve(groups.size());
  all_votes.reserve(groups.size());
  for (const AnswerGroup& group : groups) {
    const auto& mine = members.emplace_back(group.members.begin(), group.members.end());
    all_votes.push_back(
        {view_of(group.answer), group.share, group.weight_share, mine.size(), mine.data()});
  }
  for (const pith_vote& one : all_votes) vote_pointers.push_back(&one);
  vote_count = vote_pointers.size();
  votes = vote_pointers.data();
}

}  // namespace
}  // namespace pith::capi

using namespace pith;
using namespace pith::capi;

void pith_ask_options_init(pith_ask_options* options, size_t struct_size) {
  write_options(options, struct_size, kAskDefaults);
}

pith_status pith_ask(pith_session* session, const char* question, const pith_ask_options* options,
                     pith_callback callback, void* user_data, pith_answer** answer,
                     pith_error** error) {
  const Clock::time_point start = Clock::now();
  return guarded(error, [&]() -> Status {
    PITH_TRY_VOID(given(answer, "answer"));
    *answer = nullptr;
    PITH_TRY(const SessionUse use, SessionUse::take(session));
    PITH_TRY_VOID(given(question, "question"));
    PITH_TRY(const pith_ask_options known, read_options(options, kAskDefaults));
    PITH_TRY(Ask how, read_ask(known, start));
    how.kv_type = use->kv_type;
    how.context_tokens = use->context_tokens;
    PITH_TRY(const std::string text, clean_question(question));
    CallbackObserver observer(*use, callback, user_data);
    const Reasoner reasoner{use->model(), use->pool, use->pack ? &*use->pack : nullptr,
                            use->adapter};
    PITH_TRY(Asked asked, ask(reasoner, text, how, observer));
    *answer = new OwnedAnswer(std::move(asked), known.deadline_s);
    return {};
  });
}

void pith_answer_free(pith_answer* answer) { delete static_cast<OwnedAnswer*>(answer); }
