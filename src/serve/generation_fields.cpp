#include "serve/generation_fields.h"

#include <algorithm>

#include "io/json.h"

namespace pith {
namespace {

using nlohmann::json;

constexpr double kMostTemperature = 2;  // as OpenAI has it
constexpr double kLeastDeadline = 0.01;
constexpr double kMostDeadline = 1e6;
// Of a body; the longest conversations have some thousands. A value takes up to 48 bytes of
// memory, and 3 of text.
constexpr size_t kMostJsonValues = 100'000;

// A coin would do below.
constexpr double kLeastStopAt = 0.501;
constexpr double kMostStopAt = 0.9999;

void read_float(FieldReader& body, std::string_view name, double least, double most, float& value) {
  if (const auto number = body.number(name, least, most)) value = static_cast<float>(*number);
}

// Penalties that the engine does not have: 0, their default, is fine.
void refuse_penalty(FieldReader& body, std::string_view name) {
  const auto penalty = body.number(name, -2, 2);
  if (penalty && *penalty != 0) {
    body.refuse(name, "is not supported: use 'repetition_penalty'", "unsupported_value");
  }
}

void refuse_non_empty(FieldReader& body, std::string_view name, std::string_view why) {
  const json* field = body.find(name);
  if (field != nullptr && !field->empty()) body.refuse(name, why, "unsupported_parameter");
}

void read_think(FieldReader& body, GenerationRequest& generation) {
  const json* field = body.find("think");
  if (field != nullptr && field->is_boolean()) {
    generation.think = field->get<bool>() ? ThinkMode::on : ThinkMode::off;
  } else if (const auto mode = body.choice<ThinkMode>("think", {{"auto", ThinkMode::automatic},
                                                                {"on", ThinkMode::on},
                                                                {"off", ThinkMode::off}})) {
    generation.think = *mode;
  }
}

void read_vote(FieldReader& body, const ServiceInfo& info, VoteRequest& vote) {
  if (const auto branches = body.integer("branches", 1, info.limits.branches)) {
    vote.branches = static_cast<int32_t>(*branches);
  }
  if (const auto rule = body.choice<VoteRule>("vote", {{"majority", VoteRule::majority},
                                                       {"verifier", VoteRule::verifier},
                                                       {"confidence", VoteRule::confidence}})) {
    vote.rule = *rule;
    if (rule == VoteRule::verifier && !info.has_verifier) {
      body.refuse("vote", "cannot be verifier: the server runs no pack that has one",
                  "unsupported_value");
    }
  }
  if (const auto kind = body.choice<AnswerKind>("answer", {{"number", AnswerKind::number},
                                                           {"choice", AnswerKind::choice},
                                                           {"yes-no", AnswerKind::yes_no}})) {
    vote.kind = *kind;
  }
  if (const auto budget = body.integer("budget", 1, info.limits.most_tokens)) {
    vote.budget_tokens = static_cast<int32_t>(*budget);
  }
  vote.stop_at = body.number("stop_at", kLeastStopAt, kMostStopAt);
}

// None for all of it, which is what a vote has anyway.
std::optional<int32_t> share_of_budget(const ServiceInfo& info, double share) {
  if (share >= 1) return std::nullopt;
  return std::max(static_cast<int32_t>(info.budget_tokens * share), 1);
}

// What a vote and plain text do not share.
void check_vote(FieldReader& body, const GenerationRequest& generation) {
  if (generation.choices > 1) body.refuse("n", "must be 1 with 'branches' or 'vote'");
  if (!generation.stop.empty()) body.refuse("stop", "does not go with 'branches' or 'vote'");
  if (generation.top_log_probabilities) {
    body.refuse("logprobs", "does not go with 'branches' or 'vote'");
  }
}

// Exact for JSON, up to one for each empty array or object.
size_t count_values(std::string_view text) {
  size_t values = 1;
  visit_outside_strings(text, [&](char c) {
    if (c == ',' || c == '[' || c == '{') ++values;
    return true;
  });
  return values;
}

}  // namespace

ApiResult<json> parse_body(std::string_view body) {
  ApiError error;
  error.code = "invalid_json";
  if (count_values(body) > kMostJsonValues) {
    error.message = fmt::format("the request's body has more than {} values", kMostJsonValues);
    return tl::unexpected(std::move(error));
  }
  Result<json> parsed = parse_json<json>(body, "the request's body");
  if (!parsed) {
    error.message = parsed.error().message;
    return tl::unexpected(std::move(error));
  }
  if (!parsed->is_object()) {
    error.message = "the request's body is not a JSON object";
    return tl::unexpected(std::move(error));
  }
  return std::move(*parsed);
}

void read_model(FieldReader& body, const ServiceInfo& info) {
  const std::optional<std::string> model = body.string("model");
  if (!model || model->empty() || *model == info.model || *model == "default") return;
  if (body.fault()) return;
  ApiError error;
  error.status = 404;
  error.param = body.param("model");
  error.code = "model_not_found";
  error.message = fmt::format("there is no model '{}' here: this server runs '{}'",
                              printable(*model), printable(info.model));
  body.fault() = std::move(error);
}

void read_sampling(FieldReader& body, const ServiceInfo& info, GenerationFields& fields) {
  SamplingOptions& sampling = fields.generation.sampling;
  sampling = info.sampling;
  read_float(body, "temperature", 0, kMostTemperature, sampling.temperature);
  read_float(body, "top_p", 0, 1, sampling.top_p);
  read_float(body, "min_p", 0, 1, sampling.min_p);
  read_float(body, "repetition_penalty", 0.1, 10, sampling.repetition_penalty);
  if (const auto top_k = body.integer("top_k", 0, INT32_MAX)) {
    sampling.top_k = static_cast<int32_t>(*top_k);
  }
  if (const auto seed = body.bits("seed")) {
    sampling.seed = *seed;
    fields.has_seed = true;
  }
  refuse_penalty(body, "frequency_penalty");
  refuse_penalty(body, "presence_penalty");
  if (body.object("logit_bias") != nullptr) {
    refuse_non_empty(body, "logit_bias", "is not supported");
  }
}

void read_stop(FieldReader& body, GenerationFields& fields) {
  const json* field = body.find("stop");
  if (field == nullptr) return;
  std::vector<std::string>& stop = fields.generation.stop;
  if (field->is_string()) {
    stop.push_back(field->get<std::string>());
  } else if (field->is_array()) {
    if (field->size() > kMostStopStrings) {
      return body.refuse("stop", fmt::format("must have at most {} strings", kMostStopStrings));
    }
    for (const json& item : *field) {
      if (!item.is_string()) {
        return body.refuse("stop", "must be a string or strings", "invalid_type");
      }
      stop.push_back(item.get<std::string>());
    }
  } else {
    return body.refuse("stop", "must be a string or strings", "invalid_type");
  }
  for (const std::string& text : stop) {
    if (text.empty() || text.size() > kMostStopBytes) {
      return body.refuse("stop", fmt::format("must have strings of 1 to {} bytes", kMostStopBytes));
    }
  }
}

void read_stream(FieldReader& body, GenerationFields& fields) {
  fields.stream = body.boolean("stream").value_or(false);
  const json* options = body.object("stream_options");
  if (options == nullptr) return;
  FieldReader reader(*options, body.fault(), body.param("stream_options"));
  fields.include_usage = reader.boolean("include_usage").value_or(false);
  if (!fields.stream) body.refuse("stream_options", "is only for streams");
}

void read_lengths(FieldReader& body, const ServiceInfo& info,
                  std::initializer_list<std::string_view> names, GenerationFields& fields) {
  if (const auto choices = body.integer("n", 1, info.limits.choices)) {
    fields.generation.choices = static_cast<int32_t>(*choices);
  }
  for (const std::string_view name : names) {
    const auto tokens = body.integer(name, 1, info.limits.most_tokens);
    if (tokens && !fields.generation.most_tokens) {
      fields.generation.most_tokens = static_cast<int32_t>(*tokens);
    }
  }
}

void read_reasoning(FieldReader& body, const ServiceInfo& info, GenerationFields& fields) {
  GenerationRequest& generation = fields.generation;
  read_think(body, generation);
  const double longest = info.limits.deadline_s.value_or(kMostDeadline);
  generation.deadline_s = body.number("deadline", std::min(kLeastDeadline, longest), longest);
  fields.include_branches = body.boolean("include_branches").value_or(false);
  if (body.find("branches") != nullptr || body.find("vote") != nullptr) {
    check_vote(body, generation);
    if (!generation.vote) generation.vote.emplace();
    VoteRequest& vote = *generation.vote;
    read_vote(body, info, vote);
    if (!vote.budget_tokens) vote.budget_tokens = generation.most_tokens;
    if (!vote.budget_tokens) vote.budget_tokens = share_of_budget(info, fields.budget_share);
    generation.most_tokens.reset();
    return;
  }
  for (const std::string_view name : {"answer", "budget", "stop_at", "include_branches"}) {
    const json* field = body.find(name);
    if (field == nullptr || *field == false) continue;
    body.refuse(name, "is for votes: give 'branches' too (1 is enough)");
  }
}

void read_effort(FieldReader& reader, std::string_view name, GenerationFields& fields) {
  const auto share = reader.choice<double>(
      name,
      {{"none", 0}, {"minimal", 0}, {"low", 0.25}, {"medium", 0.5}, {"high", 1}, {"xhigh", 1}});
  if (!share) return;
  fields.generation.think = *share > 0 ? ThinkMode::on : ThinkMode::off;
  if (*share > 0) fields.budget_share = *share;
}

}  // namespace pith
