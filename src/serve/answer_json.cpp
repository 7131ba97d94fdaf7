#include "serve/answer_json.h"

#include <cmath>

#include "io/json_null.h"

namespace pith {
namespace {

using Json = nlohmann::ordered_json;

Json bytes_json(std::string_view bytes) {
  Json out = Json::array();
  for (const char c : bytes) out.push_back(static_cast<unsigned char>(c));
  return out;
}

// JSON has no infinity: a token that cannot be drawn has the least number that clients know.
double log_probability(float value) { return std::isfinite(value) ? value : -9999.0; }

Json votes_json(const VoteResult& vote) {
  Json votes = Json::array();
  for (const AnswerGroup& group : vote.groups) {
    votes.push_back({{"answer", group.answer},
                     {"share", group.share},
                     {"weight_share", group.weight_share},
                     {"branches", group.members}});
  }
  return votes;
}

Json plan_json(const std::optional<TimePlan>& plan) {
  if (!plan) return {};
  return {{"branches", plan->branches},
          {"budget_tokens", plan->budget_tokens},
          {"planned_s", plan->seconds},
          {"accuracy", plan->accuracy}};
}

Json branches_json(const Transcript& transcript) {
  Json branches = Json::array();
  for (const WrittenText& text : transcript.texts) {
    Json branch = branch_end_json(text.end);
    branch["branch"] = branches.size();  // of those that never began too
    branch["text"] = text.content;
    branch["reasoning"] = text.reasoning;
    branches.push_back(std::move(branch));
  }
  return branches;
}

}  // namespace

std::string_view finish_reason_word(FinishReason reason) {
  return reason == FinishReason::stop || reason == FinishReason::decided ? "stop" : "length";
}

std::string_view finish_reason_word(const VoteResult& vote) {
  return vote.groups.empty() ? "length" : "stop";
}

Json usage_json(const GenerationEnd& end) {
  return {{"prompt_tokens", end.prompt_tokens},
          {"completion_tokens", end.completion_tokens},
          {"total_tokens", int64_t{end.prompt_tokens} + end.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", end.cached_tokens}}},
          {"completion_tokens_details", {{"reasoning_tokens", end.reasoning_tokens}}}};
}

Json log_probabilities_json(std::span<const TokenRecord> tokens) {
  Json out = Json::array();
  for (const TokenRecord& token : tokens) {
    Json top = Json::array();
    for (const auto& alternative : token.alternatives) {
      top.push_back({{"token", alternative.bytes},
                     {"logprob", log_probability(alternative.log_probability)},
                     {"bytes", bytes_json(alternative.bytes)}});
    }
    out.push_back({{"token", token.bytes},
                   {"logprob", log_probability(token.log_probability)},
                   {"bytes", bytes_json(token.bytes)},
                   {"top_logprobs", std::move(top)}});
  }
  return out;
}

Json branch_end_json(const TextEnd& end) {
  return {{"branch", end.index},
          {"answer", text_or_null(end.answer)},
          {"score", std::exp(end.mean_log_probability)},
          {"verifier_score", value_or_null<Json>(end.verifier_score)},
          {"tokens", end.tokens},
          {"reasoning_tokens", end.reasoning_tokens},
          {"finish_reason", finish_reason_name(end.reason)}};
}

Json pith_json(const AnswerContext& context, const Transcript& transcript) {
  const GenerationEnd& end = transcript.end;
  const Route& route = transcript.start.route;
  Json out = {{"thinking", route.thinking},
              {"think_probability", value_or_null<Json>(route.probability)},
              {"seed", context.seed}};
  if (const auto& vote = end.vote) {
    out["answer"] = vote->groups.empty() ? Json() : Json(vote->answer());
    out["confidence"] = vote->confidence;
    out["confidence_kind"] = confidence_kind_name(vote->confidence_kind);
    out["vote"] = vote_rule_name(vote->rule);
    out["votes"] = votes_json(*vote);
    out["best_branch"] = vote->best_branch;
    out["saved_tokens"] = vote->saved_tokens;
    out["plan"] = plan_json(vote->plan);
    if (context.include_branches) out["branches"] = branches_json(transcript);
  } else {
    Json reasons = Json::array();
    for (const WrittenText& text : transcript.texts) {
      reasons.push_back(finish_reason_name(text.end.reason));
    }
    out["finish_reasons"] = std::move(reasons);
  }
  out["timing"] = {{"queued_s", end.queued_s},
                   {"prefill_s", end.prefill_s},
                   {"first_token_s", end.first_token_s},
                   {"total_s", end.total_s}};
  return out;
}

const WrittenText& spoken_text(const Transcript& transcript) {
  const auto& vote = transcript.end.vote;
  const size_t index = vote ? static_cast<size_t>(vote->best_branch) : 0;
  PITH_CHECK(index < transcript.texts.size());
  return transcript.texts[index];
}

}  // namespace pith
