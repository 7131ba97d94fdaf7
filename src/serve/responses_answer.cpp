#include "serve/responses_answer.h"

#include "io/json_null.h"
#include "serve/json_text.h"

namespace pith {
namespace {

using Json = nlohmann::ordered_json;

// "msg_123" of the response "resp_123"; later items of a kind get their index.
std::string item_id(const ResponsesContext& context, size_t index, bool reasoning) {
  const std::string& id = context.answer.id;
  return fmt::format("{}_{}{}", reasoning ? "rs" : "msg", id.substr(id.find('_') + 1),
                     index > 1 ? fmt::format("_{}", index) : "");
}

Json part_json(const OutputItem& item, bool with_tokens) {
  if (item.reasoning) return {{"type", "reasoning_text"}, {"text", item.text}};
  return {{"type", "output_text"},
          {"text", item.text},
          {"annotations", Json::array()},
          {"logprobs", with_tokens ? log_probabilities_json(item.tokens) : Json::array()}};
}

// An item that is begun has no content yet.
Json item_json(const ResponsesContext& context, const OutputItem& item, size_t index, bool done) {
  Json out = {{"id", item_id(context, index, item.reasoning)},
              {"type", item.reasoning ? "reasoning" : "message"},
              {"status", done ? "completed" : "in_progress"}};
  if (item.reasoning) {
    out["summary"] = Json::array();
  } else {
    out["role"] = "assistant";
  }
  out["content"] = Json::array();
  if (done) out["content"].push_back(part_json(item, context.answer.log_probabilities));
  return out;
}

Json usage_of_response(const GenerationEnd& end) {
  return {{"input_tokens", end.prompt_tokens},
          {"input_tokens_details", {{"cached_tokens", end.cached_tokens}}},
          {"output_tokens", end.completion_tokens},
          {"output_tokens_details", {{"reasoning_tokens", end.reasoning_tokens}}},
          {"total_tokens", int64_t{end.prompt_tokens} + end.completion_tokens}};
}

Json bare_response(const ResponsesContext& context, std::string_view status) {
  return {{"id", context.answer.id},
          {"object", "response"},
          {"created_at", context.answer.created_s},
          {"status", status},
          {"background", false},
          {"error", nullptr},
          {"incomplete_details", nullptr},
          {"instructions", text_or_null(context.instructions)},
          {"max_output_tokens", value_or_null<Json>(context.most_tokens)},
          {"metadata", context.metadata},
          {"model", context.answer.model},
          {"output", Json::array()},
          {"parallel_tool_calls", false},
          {"previous_response_id", text_or_null(context.previous)},
          {"reasoning", {{"effort", text_or_null(context.effort)}, {"summary", nullptr}}},
          {"store", context.store},
          {"temperature", context.temperature},
          {"text", {{"format", {{"type", "text"}}}}},
          {"tool_choice", "none"},
          {"tools", Json::array()},
          {"top_p", context.top_p},
          {"truncation", "disabled"},
          {"usage", nullptr}};
}

Json ended_response(const ResponsesContext& context, const Transcript& transcript,
                    std::span<const OutputItem> items) {
  const auto& vote = transcript.end.vote;
  const std::string_view reason =
      vote ? finish_reason_word(*vote) : finish_reason_word(transcript.texts.at(0).end.reason);
  const bool whole = reason == "stop";
  Json out = bare_response(context, whole ? "completed" : "incomplete");
  if (!whole) out["incomplete_details"] = {{"reason", "max_output_tokens"}};
  for (size_t i = 0; i < items.size(); ++i) {
    out["output"].push_back(item_json(context, items[i], i, /*done=*/true));
  }
  out["usage"] = usage_of_response(transcript.end);
  out["pith"] = pith_json(context.answer, transcript);
  return out;
}

}  // namespace

ResponsesContext::ResponsesContext(AnswerContext context, const ResponsesRequest& request)
    : answer(std::move(context)),
      instructions(request.instructions),
      previous(request.previous),
      store(request.store),
      metadata(request.metadata),
      effort(request.effort),
      temperature(request.fields.generation.sampling.temperature),
      top_p(request.fields.generation.sampling.top_p),
      most_tokens(request.fields.generation.most_tokens) {}

Json response_object(const ResponsesContext& context, const Transcript& transcript) {
  const WrittenText& text = spoken_text(transcript);
  std::vector<OutputItem> items;
  if (!text.reasoning.empty()) items.push_back({true, text.reasoning, {}});
  items.push_back({false, text.content, text.tokens});
  return ended_response(context, transcript, items);
}

std::string ResponsesStream::event(std::string_view type, Json fields) {
  Json out = {{"type", type}, {"sequence_number", sequence_++}};
  out.update(fields);
  return sse_event(type, out);
}

// Where the open item's content stands.
Json ResponsesStream::place() const {
  const size_t index = items_.size() - 1;
  return {{"item_id", item_id(context_, index, items_.back().reasoning)},
          {"output_index", index},
          {"content_index", 0}};
}

std::string ResponsesStream::on(const GenerationEvent& event) {
  transcript_.add(event);
  if (std::holds_alternative<GenerationStart>(event)) return on_start();
  if (const auto* text = std::get_if<TextEvent>(&event)) return on_text(*text);
  if (const auto* end = std::get_if<TextEnd>(&event)) return on_text_end(*end);
  return on_end();
}

std::string ResponsesStream::on_start() {
  const Json response = bare_response(context_, "in_progress");
  std::string out = event("response.created", {{"response", response}});
  out += event("response.in_progress", {{"response", response}});
  return out;
}

std::string ResponsesStream::on_text(const TextEvent& text) {
  if (!context_.answer.vote) return write(text.reasoning, text.text, text.tokens);
  if (!context_.answer.include_branches || text.text.empty()) return "";
  return event("pith.branch.delta",
               {{"branch", text.index}, {"reasoning", text.reasoning}, {"delta", text.text}});
}

std::string ResponsesStream::on_text_end(const TextEnd& end) {
  if (!context_.answer.vote || !context_.answer.include_branches) return "";
  return event("pith.branch.done", branch_end_json(end));
}

std::string ResponsesStream::write(bool reasoning, const std::string& text,
                                   std::span<const TokenRecord> tokens) {
  const bool with_tokens = context_.answer.log_probabilities && !reasoning && !tokens.empty();
  if (text.empty() && !with_tokens) return "";
  std::string out;
  if (!open_ || items_.back().reasoning != reasoning) out = next_item(reasoning);
  OutputItem& item = items_.back();
  item.text += text;
  item.tokens.insert(item.tokens.end(), tokens.begin(), tokens.end());
  Json fields = place();
  fields["delta"] = text;
  if (!reasoning) {
    fields["logprobs"] = with_tokens ? log_probabilities_json(tokens) : Json::array();
  }
  out += event(reasoning ? "response.reasoning_text.delta" : "response.output_text.delta",
               std::move(fields));
  return out;
}

// Ends the item before it, too: events are numbered as they are made.
std::string ResponsesStream::next_item(bool reasoning) {
  std::string out = close_item();
  items_.push_back({reasoning, "", {}});
  open_ = true;
  const OutputItem& item = items_.back();
  out += event("response.output_item.added",
               {{"output_index", items_.size() - 1},
                {"item", item_json(context_, item, items_.size() - 1, false)}});
  Json fields = place();
  fields["part"] = part_json(item, false);
  out += event("response.content_part.added", std::move(fields));
  return out;
}

std::string ResponsesStream::close_item() {
  if (!open_) return "";
  open_ = false;
  const OutputItem& item = items_.back();
  const bool with_tokens = context_.answer.log_probabilities;
  Json text = place();
  text["text"] = item.text;
  if (!item.reasoning) {
    text["logprobs"] = with_tokens ? log_probabilities_json(item.tokens) : Json::array();
  }
  std::string out =
      event(item.reasoning ? "response.reasoning_text.done" : "response.output_text.done",
            std::move(text));
  Json part = place();
  part["part"] = part_json(item, with_tokens);
  out += event("response.content_part.done", std::move(part));
  out += event("response.output_item.done",
               {{"output_index", items_.size() - 1},
                {"item", item_json(context_, item, items_.size() - 1, true)}});
  return out;
}

std::string ResponsesStream::on_end() {
  std::string out;
  if (context_.answer.vote) {
    const WrittenText& text = spoken_text(transcript_);
    out += write(true, text.reasoning, {});
    out += write(false, text.content, {});
  }
  // There is always a message, perhaps an empty one.
  if (items_.empty() || items_.back().reasoning) out += next_item(false);
  out += close_item();
  response_ = ended_response(context_, transcript_, items_);
  const bool whole = response_["status"] == "completed";
  out += event(whole ? "response.completed" : "response.incomplete", {{"response", response_}});
  return out;
}

std::string ResponsesStream::on_error(const Error& error) {
  Json response = bare_response(context_, "failed");
  response["error"] = {{"code", "server_error"}, {"message", error.message}};
  return event("response.failed", {{"response", std::move(response)}});
}

}  // namespace pith
