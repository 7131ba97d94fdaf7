#include "serve/completion_answer.h"

#include "serve/json_text.h"

namespace pith {
namespace {

using Json = nlohmann::ordered_json;

double log_probability_of(const Json& token) { return token["logprob"].get<double>(); }

// OpenAI's older form: lists side by side. Moves `offset`, in bytes of the text, on.
Json token_lists(std::span<const TokenRecord> records, size_t& offset) {
  Json tokens = Json::array();
  Json values = Json::array();
  Json tops = Json::array();
  Json offsets = Json::array();
  const Json all = log_probabilities_json(records);
  for (size_t i = 0; i < records.size(); ++i) {
    Json top = Json::object();
    for (const Json& alternative : all[i]["top_logprobs"]) {
      // Two tokens may be the same text; the likelier one comes first.
      top.emplace(alternative["token"].get<std::string>(), log_probability_of(alternative));
    }
    tokens.push_back(all[i]["token"]);
    values.push_back(log_probability_of(all[i]));
    tops.push_back(std::move(top));
    offsets.push_back(offset);
    offset += records[i].bytes.size();
  }
  return {{"tokens", std::move(tokens)},
          {"token_logprobs", std::move(values)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

Json completion_choice(int32_t index, std::string_view text) {
  return {{"text", text}, {"index", index}, {"logprobs", nullptr}, {"finish_reason", nullptr}};
}

Json completion_json(const AnswerContext& context, Json choices) {
  return {{"id", context.id},
          {"object", "text_completion"},
          {"created", context.created_s},
          {"model", context.model},
          {"choices", std::move(choices)}};
}

}  // namespace

Json completion(const AnswerContext& context, const Transcript& transcript) {
  Json choices = Json::array();
  for (const WrittenText& text : transcript.texts) {
    Json choice = completion_choice(text.end.index, text.reasoning + text.content);
    size_t offset = text.reasoning.size();
    if (context.log_probabilities) choice["logprobs"] = token_lists(text.tokens, offset);
    choice["finish_reason"] = finish_reason_word(text.end.reason);
    choices.push_back(std::move(choice));
  }
  Json out = completion_json(context, std::move(choices));
  out["usage"] = usage_json(transcript.end);
  out["pith"] = pith_json(context, transcript);
  return out;
}

Json CompletionStream::chunk(Json choices) const {
  Json out = completion_json(context_, std::move(choices));
  if (context_.include_usage) out["usage"] = nullptr;
  return out;
}

std::string CompletionStream::on(const GenerationEvent& event) {
  transcript_.add(event);
  if (const auto* start = std::get_if<GenerationStart>(&event)) {
    offsets_.resize(static_cast<size_t>(start->texts));
    return "";
  }
  if (const auto* text = std::get_if<TextEvent>(&event)) return on_text(*text);
  if (const auto* end = std::get_if<TextEnd>(&event)) {
    const std::string before = take_held(held_);
    Json choice = completion_choice(end->index, "");
    choice["finish_reason"] = finish_reason_word(end->reason);
    held_ = chunk(Json::array({std::move(choice)}));
    return before;
  }
  return on_end();
}

std::string CompletionStream::on_text(const TextEvent& event) {
  const bool has_tokens = context_.log_probabilities && !event.tokens.empty();
  if (event.text.empty() && !has_tokens) return "";
  Json choice = completion_choice(event.index, event.text);
  size_t& offset = offsets_[static_cast<size_t>(event.index)];
  if (has_tokens) choice["logprobs"] = token_lists(event.tokens, offset);
  return take_held(held_) + sse_event(chunk(Json::array({std::move(choice)})));
}

std::string CompletionStream::on_end() {
  if (held_) (*held_)["pith"] = pith_json(context_, transcript_);
  std::string out = take_held(held_);
  if (context_.include_usage) {
    Json usage = chunk(Json::array());
    usage["usage"] = usage_json(transcript_.end);
    out += sse_event(usage);
  }
  out += kSseDone;
  return out;
}

}  // namespace pith
