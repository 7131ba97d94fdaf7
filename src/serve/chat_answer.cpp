#include "serve/chat_answer.h"

#include "serve/json_text.h"

namespace pith {
namespace {

using Json = nlohmann::ordered_json;

Json choice_log_probabilities(const AnswerContext& context, std::span<const TokenRecord> tokens) {
  if (!context.log_probabilities) return {};
  return {{"content", log_probabilities_json(tokens)}, {"refusal", nullptr}};
}

Json chat_choice(const AnswerContext& context, int32_t index, const WrittenText& text,
                 std::string_view finish_reason) {
  Json message = {{"role", "assistant"}, {"content", text.content}, {"refusal", nullptr}};
  if (!text.reasoning.empty()) message["reasoning_content"] = text.reasoning;
  return {{"index", index},
          {"message", std::move(message)},
          {"logprobs", choice_log_probabilities(context, text.tokens)},
          {"finish_reason", finish_reason}};
}

std::string_view delta_field(bool reasoning) { return reasoning ? "reasoning_content" : "content"; }

}  // namespace

Json chat_completion(const AnswerContext& context, const Transcript& transcript) {
  Json choices = Json::array();
  if (const auto& vote = transcript.end.vote) {
    choices.push_back(chat_choice(context, 0, spoken_text(transcript), finish_reason_word(*vote)));
  } else {
    for (const WrittenText& text : transcript.texts) {
      choices.push_back(
          chat_choice(context, text.end.index, text, finish_reason_word(text.end.reason)));
    }
  }
  return {{"id", context.id},
          {"object", "chat.completion"},
          {"created", context.created_s},
          {"model", context.model},
          {"choices", std::move(choices)},
          {"usage", usage_json(transcript.end)},
          {"pith", pith_json(context, transcript)}};
}

Json ChatStream::chunk(Json choices) const {
  Json out = {{"id", context_.id},
              {"object", "chat.completion.chunk"},
              {"created", context_.created_s},
              {"model", context_.model},
              {"choices", std::move(choices)}};
  if (context_.include_usage) out["usage"] = nullptr;
  return out;
}

Json ChatStream::delta_chunk(int32_t index, Json delta) const {
  return chunk(Json::array({{{"index", index},
                             {"delta", std::move(delta)},
                             {"logprobs", nullptr},
                             {"finish_reason", nullptr}}}));
}

Json ChatStream::finish_chunk(int32_t index, std::string_view reason) const {
  Json out = delta_chunk(index, Json::object());
  out["choices"][0]["finish_reason"] = reason;
  return out;
}

std::string ChatStream::on(const GenerationEvent& event) {
  transcript_.add(event);
  if (const auto* start = std::get_if<GenerationStart>(&event)) {
    std::string out;
    const int32_t choices = context_.vote ? 1 : start->texts;
    for (int32_t i = 0; i < choices; ++i) {
      out += sse_event(delta_chunk(i, {{"role", "assistant"}, {"content", ""}}));
    }
    return out;
  }
  if (const auto* text = std::get_if<TextEvent>(&event)) return on_text(*text);
  if (const auto* end = std::get_if<TextEnd>(&event)) return on_text_end(*end);
  return on_end();
}

std::string ChatStream::on_text(const TextEvent& event) {
  if (context_.vote) {
    if (!context_.include_branches || event.text.empty()) return "";
    Json out = chunk(Json::array());
    out["pith"] = {{"branch", event.index}, {delta_field(event.reasoning), event.text}};
    return sse_event(out);
  }
  const bool has_tokens = context_.log_probabilities && !event.reasoning && !event.tokens.empty();
  if (event.text.empty() && !has_tokens) return "";
  Json out = delta_chunk(event.index, {{delta_field(event.reasoning), event.text}});
  if (has_tokens) {
    out["choices"][0]["logprobs"] = choice_log_probabilities(context_, event.tokens);
  }
  return take_held(held_) + sse_event(out);
}

std::string ChatStream::on_text_end(const TextEnd& end) {
  if (context_.vote) {
    if (!context_.include_branches) return "";
    Json out = chunk(Json::array());
    out["pith"] = branch_end_json(end);
    return sse_event(out);
  }
  const std::string before = take_held(held_);
  held_ = finish_chunk(end.index, finish_reason_word(end.reason));
  return before;
}

std::string ChatStream::on_end() {
  std::string out;
  if (const auto& vote = transcript_.end.vote) {
    const WrittenText& text = spoken_text(transcript_);
    if (!text.reasoning.empty()) {
      out += sse_event(delta_chunk(0, {{"reasoning_content", text.reasoning}}));
    }
    out += sse_event(delta_chunk(0, {{"content", text.content}}));
    held_ = finish_chunk(0, finish_reason_word(*vote));
  }
  if (held_) (*held_)["pith"] = pith_json(context_, transcript_);
  out += take_held(held_);
  if (context_.include_usage) {
    Json usage = chunk(Json::array());
    usage["usage"] = usage_json(transcript_.end);
    out += sse_event(usage);
  }
  out += kSseDone;
  return out;
}

}  // namespace pith
