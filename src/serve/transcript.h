// What a service has told of one request, as values: an event for each call of a
// GenerationSink, and all of them put together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "serve/service.h"

namespace pith {

// TokenLogProbability that owns its bytes.
struct TokenRecord {
  std::string bytes;
  float log_probability = 0;
  struct Alternative {
    std::string bytes;
    float log_probability = 0;
  };
  std::vector<Alternative> alternatives;
};

// TextDelta that owns all it has.
struct TextEvent {
  int32_t index = 0;
  bool reasoning = false;
  std::string text;
  std::vector<TokenRecord> tokens;

  static TextEvent copy_of(const TextDelta& delta);
  size_t bytes() const;  // of memory, about
};

using GenerationEvent = std::variant<GenerationStart, TextEvent, TextEnd, GenerationEnd, Error>;

// One choice or branch so far.
struct WrittenText {
  std::string content;
  std::string reasoning;
  std::vector<TokenRecord> tokens;  // of the content
  TextEnd end;                      // once it has ended
};

struct Transcript {
  GenerationStart start;
  std::vector<WrittenText> texts;
  GenerationEnd end;  // once all has ended

  // Not for errors (CHECKed).
  void add(const GenerationEvent& event);
};

}  // namespace pith
