// One prompt on its way into the KV cache, in as many steps as it is given rows in.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "reason/decode.h"
#include "reason/route.h"

namespace pith {

// Borrows what the prompt consists of. Where a switcher decides, no token behind the boundary
// can be read before it has.
class PromptReading {
 public:
  // `sequence` holds the first tokens of the prompt, not all; none where the switcher is
  // asked (both CHECKed). Errors: those of check_boundary().
  static Result<PromptReading> begin(const RoutedPrompt& prompt, const RouteOptions& route,
                                     OwnedSequence sequence, const Engine& engine);

  // What is known of the prompt by now; all of it once the route is decided.
  std::span<const TokenId> tokens() const;
  size_t read_tokens() const { return read_tokens_; }
  // Of the whole prompt; before the route is decided, as if it will think.
  size_t prompt_tokens() const { return prompt_.tokens(route_.thinking).size(); }
  // Tokens that can be read in the next step.
  size_t unread() const { return tokens().size() - read_tokens_; }
  bool done() const { return !pooler_ && unread() == 0; }

  // Adds rows for the next `count` tokens, at most unread(), to a step.
  void list(size_t count, std::vector<Row>& rows);
  // After the step that they were in: takes from it what is needed.
  void take(const Engine& engine);

  const Route& route() const { return route_; }     // once decided
  AdapterUse adapter() const;                       // as the route has it
  std::vector<float>& logits() { return logits_; }  // [V] after the last token, once done
  OwnedSequence& sequence() { return sequence_; }
  const OwnedSequence& sequence() const { return sequence_; }

 private:
  PromptReading(const RoutedPrompt& prompt, const RouteOptions& route, OwnedSequence sequence)
      : prompt_(prompt),
        options_(route),
        route_(told_route(route)),
        sequence_(std::move(sequence)) {}

  RoutedPrompt prompt_;
  RouteOptions options_;
  Route route_;
  std::optional<PromptPooler> pooler_;  // until the route is decided
  OwnedSequence sequence_;
  size_t read_tokens_ = 0;
  std::vector<float> logits_;
  size_t first_row_ = 0;  // of the step at hand
  size_t rows_ = 0;
};

}  // namespace pith
