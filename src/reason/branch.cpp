#include "reason/branch.h"

#include <algorithm>
#include <utility>

#include "base/ascii.h"
#include "base/error.h"
#include "reason/markers.h"
#include "reason/sentence.h"

namespace pith {
namespace {

constexpr std::string_view kAnswerLead = "\n\nTherefore, the final answer is \\boxed{";

bool is_line_break(std::string_view text) {
  return !text.empty() && text.find_first_not_of('\n') == std::string_view::npos;
}

}  // namespace

std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::budget:
      return "budget";
    case FinishReason::context:
      return "context";
    case FinishReason::decided:
      return "decided";
    case FinishReason::deadline:
      return "deadline";
    case FinishReason::cancelled:
      break;
  }
  return "cancelled";
}

BranchPlan BranchPlan::plain(int32_t budget_tokens, FinishReason limit) {
  BranchPlan plan;
  plan.budget_tokens = budget_tokens;
  plan.limit = limit;
  return plan;
}

BranchPlan BranchPlan::answering(const Tokenizer& tokenizer, int32_t budget_tokens, AnswerKind kind,
                                 std::string_view thinking_end) {
  BranchPlan plan = plain(budget_tokens, FinishReason::budget);
  plan.force_answer = true;
  plan.kind = kind;
  plan.thinking_end = thinking_end;
  plan.closing = kAnswerLead;
  plan.closing_ids = tokenizer.encode(kAnswerLead, /*parse_special=*/false);
  plan.turn_end_ids = {tokenizer.eos()};
  if (thinking_end.empty()) return plan;
  plan.closing_from_thought = "\n" + plan.thinking_end + plan.closing;
  plan.closing_from_thought_ids = tokenizer.encode("\n", false);
  const auto end_ids = tokenizer.encode(thinking_end, /*parse_special=*/true);
  if (end_ids.size() == 1) plan.thinking_end_ids = end_ids;
  auto& ids = plan.closing_from_thought_ids;
  ids.insert(ids.end(), end_ids.begin(), end_ids.end());
  ids.insert(ids.end(), plan.closing_ids.begin(), plan.closing_ids.end());
  return plan;
}

int32_t BranchPlan::allowance_tokens() const {
  if (!force_answer) return 0;
  const size_t read = std::max(closing_ids.size(), closing_from_thought_ids.size());
  return static_cast<int32_t>(read) + kForcedAnswerTokens;
}

int32_t BranchPlan::landing_tokens() const {
  if (!force_answer || !soft_landing) return 0;
  return static_cast<int32_t>(
      std::min(int64_t{budget_tokens} * kLandingPercent / 100, int64_t{kMostLandingTokens}));
}

std::string_view Branch::accept(const SampledToken& token) {
  PITH_CHECK(!finished());
  fresh_.clear();
  pending_.clear();
  samples_.push_back(token);
  history_.push_back(token.token);
  log_probability_ += static_cast<double>(token.log_probability);
  if (phase_ == Phase::answering) {
    read_answer(token.token);
  } else if (tokenizer_->ends_generation(token.token)) {
    end_free(FinishReason::stop);
  } else {
    write(token.token);
    pending_.push_back(token.token);
    const bool landed = landing(sampled_tokens()) && ends_sentence(answer_part());
    if (landed || sampled_tokens() >= plan_->budget_tokens) end_free(plan_->limit);
  }
  return fresh_;
}

std::string_view Branch::answer_now() {
  fresh_.clear();
  if (phase_ == Phase::free) end_free(FinishReason::deadline);
  return fresh_;
}

std::string_view Branch::stop(FinishReason reason) {
  fresh_.clear();
  if (finished()) return fresh_;
  reason_ = reason;
  finish();
  return fresh_;
}

double Branch::mean_log_probability() const {
  return samples_.empty() ? 0 : log_probability_ / static_cast<double>(samples_.size());
}

std::string Branch::answer() const {
  for (const std::string_view part : {answer_part(), said()}) {
    if (auto answer = extract_answer(part, plan_->kind)) return *std::move(answer);
  }
  if (slot_tokens_ == 0) return {};
  const std::string_view slot = std::string_view(text_).substr(slot_begin_);
  return is_blank(slot) ? std::string(slot) : std::string(trimmed(slot));
}

// Control tokens have a written form but are no text of the answer.
void Branch::write(TokenId token) {
  if (tokenizer_->kind(token) == TokenKind::control) return;
  const std::string text = utf8_.push(tokenizer_->bytes(token));
  write_text(text);
}

void Branch::write_text(std::string_view text) {
  text_ += text;
  fresh_ += text;
}

void Branch::end_free(FinishReason reason) {
  reason_ = reason;
  if (plan_->force_answer && must_be_asked(reason)) {
    open_answer();
  } else {
    finish();
  }
}

bool Branch::in_thought() const {
  return !plan_->thinking_end.empty() && text_.find(plan_->thinking_end) == std::string::npos;
}

// Whether the token of that number, from 1, is one of the last part of the budget.
bool Branch::landing(int32_t sampled) const {
  return sampled > plan_->budget_tokens - plan_->landing_tokens();
}

LogitBias Branch::landing_bias() const {
  const int32_t next = sampled_tokens() + 1;
  if (phase_ != Phase::free || !landing(next)) return {};
  const int32_t done = next - (plan_->budget_tokens - plan_->landing_tokens());
  const float nats =
      kLandingNats * static_cast<float>(done) / static_cast<float>(plan_->landing_tokens());
  if (in_thought()) return {plan_->thinking_end_ids, nats};
  if (last_boxed(answer_part())) return {plan_->turn_end_ids, nats};
  return {};
}

// At the limit only a finished box counts as an answer, as the text breaks off
// anywhere; a turn that the model itself ended may give it in other words.
bool Branch::must_be_asked(FinishReason reason) const {
  if (in_thought()) return true;
  if (reason != FinishReason::stop && !last_boxed(answer_part())) return true;
  return !extract_answer(answer_part(), plan_->kind);
}

void Branch::open_answer() {
  write_text(utf8_.finish());
  const bool thought = in_thought();
  std::span<const TokenId> ids = thought ? plan_->closing_from_thought_ids : plan_->closing_ids;
  std::string_view closing = thought ? plan_->closing_from_thought : plan_->closing;
  // A line that has been ended needs no line breaks.
  while (text_.ends_with('\n') && is_line_break(tokenizer_->bytes(ids.front()))) {
    closing.remove_prefix(tokenizer_->bytes(ids.front()).size());
    ids = ids.subspan(1);
  }
  closing_begin_ = text_.size();
  write_text(closing);
  pending_.insert(pending_.end(), ids.begin(), ids.end());
  read_tokens_ = static_cast<int32_t>(ids.size());
  slot_begin_ = text_.size();
  phase_ = Phase::answering;
}

// Samples go on until the box is closed; what follows a closed box is not asked for.
void Branch::read_answer(TokenId token) {
  ++slot_tokens_;
  if (tokenizer_->ends_generation(token)) return finish();
  const size_t begin = text_.size();
  write(token);
  for (const char c : std::string_view(text_).substr(begin)) {
    const bool escaped = std::exchange(slot_escape_, !slot_escape_ && c == '\\');
    if (!is_space(c)) slot_has_text_ = true;
    if (escaped) continue;
    open_braces_ += c == '{' ? 1 : c == '}' ? -1 : 0;
  }
  if (open_braces_ <= 0 || slot_tokens_ >= kForcedAnswerTokens) return finish();
  pending_.push_back(token);
}

void Branch::finish() {
  write_text(utf8_.finish());
  pending_.clear();
  phase_ = Phase::finished;
}

// The text without a closing behind which nothing was said.
std::string_view Branch::said() const {
  const bool asked_in_vain = read_tokens_ > 0 && slot_tokens_ == 0;
  return std::string_view(text_).substr(0, asked_in_vain ? closing_begin_ : text_.size());
}

// What stands behind the thoughts, if anything does.
std::string_view Branch::answer_part() const {
  const std::string_view text = said();
  if (plan_->thinking_end.empty()) return text;
  const size_t end = text.rfind(plan_->thinking_end);
  if (end == std::string_view::npos) return text;
  const std::string_view rest = text.substr(end + plan_->thinking_end.size());
  return is_blank(rest) ? text : rest;
}

}  // namespace pith
