// What /v1/chat/completions answers: whole, or as a stream of chunks. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "serve/answer_json.h"
#include "serve/transcript.h"

namespace pith {

// Of a transcript that has ended.
nlohmann::ordered_json chat_completion(const AnswerContext& context, const Transcript& transcript);

// Turns events into server-sent events, one answer long.
class ChatStream {
 public:
  explicit ChatStream(AnswerContext context) : context_(std::move(context)) {}

  // What to send now, perhaps nothing; with a GenerationEnd all that is left.
  std::string on(const GenerationEvent& event);

 private:
  using Json = nlohmann::ordered_json;

  std::string on_text(const TextEvent& event);
  std::string on_text_end(const TextEnd& end);
  std::string on_end();
  Json chunk(Json choices) const;
  Json delta_chunk(int32_t index, Json delta) const;
  Json finish_chunk(int32_t index, std::string_view reason) const;

  AnswerContext context_;
  Transcript transcript_;
  // The last chunk with a finish reason, for what is known only when all has ended: clients
  // expect a choice in every chunk that they have not asked for.
  std::optional<Json> held_;
};

}  // namespace pith
