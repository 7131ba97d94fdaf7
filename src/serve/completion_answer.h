// What /v1/completions answers: whole, or as a stream of chunks. Pure.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "serve/answer_json.h"
#include "serve/transcript.h"

namespace pith {

// Of a transcript that has ended.
nlohmann::ordered_json completion(const AnswerContext& context, const Transcript& transcript);

// Turns events into server-sent events, one answer long.
class CompletionStream {
 public:
  explicit CompletionStream(AnswerContext context) : context_(std::move(context)) {}

  // What to send now, perhaps nothing; with a GenerationEnd all that is left.
  std::string on(const GenerationEvent& event);

 private:
  using Json = nlohmann::ordered_json;

  std::string on_text(const TextEvent& event);
  std::string on_end();
  Json chunk(Json choices) const;

  AnswerContext context_;
  Transcript transcript_;
  std::vector<size_t> offsets_;  // bytes that each choice has so far
  std::optional<Json> held_;     // as in ChatStream
};

}  // namespace pith
