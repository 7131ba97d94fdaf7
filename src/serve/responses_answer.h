// What /v1/responses answers: a response object, or the events of a stream. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/answer_json.h"
#include "serve/responses_request.h"
#include "serve/transcript.h"

namespace pith {

// What a response repeats of its request.
struct ResponsesContext {
  AnswerContext answer;
  std::string instructions;
  std::string previous;
  bool store = true;
  nlohmann::ordered_json metadata;
  std::string effort;
  double temperature = 0;
  double top_p = 0;
  std::optional<int32_t> most_tokens;

  ResponsesContext(AnswerContext context, const ResponsesRequest& request);
};

// One item of a response's output: a thought or the message.
struct OutputItem {
  bool reasoning = false;
  std::string text;
  std::vector<TokenRecord> tokens;  // of the message
};

// Of a transcript that has ended.
nlohmann::ordered_json response_object(const ResponsesContext& context,
                                       const Transcript& transcript);

// Turns events into the API's server-sent events, one response long.
class ResponsesStream {
 public:
  explicit ResponsesStream(ResponsesContext context) : context_(std::move(context)) {}

  // What to send now, perhaps nothing; with a GenerationEnd all that is left.
  std::string on(const GenerationEvent& event);
  // What ends the stream when the work failed.
  std::string on_error(const Error& error);

  const Transcript& transcript() const { return transcript_; }
  // What the last event tells, once there was a GenerationEnd.
  const nlohmann::ordered_json& response() const { return response_; }

 private:
  using Json = nlohmann::ordered_json;

  std::string event(std::string_view type, Json fields);
  std::string on_start();
  std::string on_text(const TextEvent& text);
  std::string on_text_end(const TextEnd& end);
  std::string on_end();
  std::string write(bool reasoning, const std::string& text, std::span<const TokenRecord> tokens);
  std::string next_item(bool reasoning);
  std::string close_item();
  Json place() const;

  ResponsesContext context_;
  Transcript transcript_;
  std::vector<OutputItem> items_;
  bool open_ = false;  // the last item is
  int64_t sequence_ = 0;
  Json response_;
};

}  // namespace pith
