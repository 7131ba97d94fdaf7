#include "serve/transcript.h"

#include <iterator>

namespace pith {
namespace {

WrittenText& text_at(std::vector<WrittenText>& texts, int32_t index) {
  PITH_CHECK(index >= 0 && static_cast<size_t>(index) < texts.size());
  return texts[static_cast<size_t>(index)];
}

}  // namespace

TextEvent TextEvent::copy_of(const TextDelta& delta) {
  TextEvent event{delta.index, delta.reasoning, std::string(delta.text), {}};
  event.tokens.reserve(delta.tokens.size());
  for (const TokenLogProbability& token : delta.tokens) {
    TokenRecord record{std::string(token.bytes), token.log_probability, {}};
    record.alternatives.reserve(token.alternatives.size());
    for (const auto& alternative : token.alternatives) {
      record.alternatives.push_back({std::string(alternative.bytes), alternative.log_probability});
    }
    event.tokens.push_back(std::move(record));
  }
  return event;
}

size_t TextEvent::bytes() const {
  size_t bytes = sizeof(TextEvent) + text.size();
  for (const TokenRecord& token : tokens) {
    bytes += sizeof(TokenRecord) + token.alternatives.size() * sizeof(TokenRecord::Alternative);
  }
  return bytes;
}

void Transcript::add(const GenerationEvent& event) {
  if (const auto* begun = std::get_if<GenerationStart>(&event)) {
    start = *begun;
    texts.resize(static_cast<size_t>(begun->texts));
  } else if (const auto* text = std::get_if<TextEvent>(&event)) {
    WrittenText& written = text_at(texts, text->index);
    (text->reasoning ? written.reasoning : written.content) += text->text;
    if (!text->reasoning) {
      written.tokens.insert(written.tokens.end(), text->tokens.begin(), text->tokens.end());
    }
  } else if (const auto* text_end = std::get_if<TextEnd>(&event)) {
    text_at(texts, text_end->index).end = *text_end;
  } else {
    PITH_CHECK(std::holds_alternative<GenerationEnd>(event));
    end = std::get<GenerationEnd>(event);
  }
}

}  // namespace pith
