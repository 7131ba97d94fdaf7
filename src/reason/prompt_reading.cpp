#include "reason/prompt_reading.h"

#include <utility>

namespace pith {

Result<PromptReading> PromptReading::begin(const RoutedPrompt& prompt, const RouteOptions& route,
                                           OwnedSequence sequence, const Engine& engine) {
  PromptReading reading(prompt, route, std::move(sequence));
  reading.read_tokens_ = static_cast<size_t>(engine.length(reading.sequence_.id()));
  if (route.asks_switcher()) {
    PITH_TRY_VOID(check_boundary(prompt));
    PITH_CHECK(reading.read_tokens_ == 0);
    reading.pooler_.emplace(route.switcher->width());
  }
  PITH_CHECK(reading.read_tokens_ < reading.tokens().size());
  return reading;
}

std::span<const TokenId> PromptReading::tokens() const {
  if (pooler_) return prompt_.thinking.subspan(0, prompt_.adapter.from);
  return prompt_.tokens(route_.thinking);
}

AdapterUse PromptReading::adapter() const {
  return route_.thinking ? prompt_.adapter : AdapterUse{};
}

void PromptReading::list(size_t count, std::vector<Row>& rows) {
  const std::span<const TokenId> all = tokens();
  first_row_ = rows.size();
  rows_ = count;
  // What stands before the boundary is the base model's, whatever the route will be.
  const AdapterUse use = adapter();
  for (size_t position = read_tokens_; position < read_tokens_ + count; ++position) {
    rows.push_back({.token = all[position],
                    .sequence = sequence_.id(),
                    .want_logits = !pooler_ && position + 1 == all.size(),
                    .want_hidden = pooler_.has_value(),
                    .adapter = use.at(position),
                    .hidden_layers = pooler_ ? std::span(&options_.switcher->layer, 1)
                                             : std::span<const int32_t>()});
  }
}

void PromptReading::take(const Engine& engine) {
  read_tokens_ += rows_;
  if (pooler_) {
    for (size_t row = 0; row < rows_; ++row) pooler_->push(engine.hidden(first_row_ + row));
    if (unread() > 0) return;
    route_ = switched_route(options_, pooler_->pooled());
    pooler_.reset();
  } else if (rows_ > 0 && unread() == 0) {
    const auto logits = engine.logits(first_row_ + rows_ - 1);
    logits_.assign(logits.begin(), logits.end());
  }
}

}  // namespace pith
