#include "reason/route.h"

#include <algorithm>

namespace pith {

Status check_boundary(const RoutedPrompt& prompt) {
  const size_t boundary = prompt.adapter.from;
  if (boundary == 0) {
    return fail(ErrorCode::usage, "a switcher needs something to read before the assistant's turn");
  }
  const auto longest = std::min(prompt.thinking.size(), prompt.direct.size());
  if (boundary < longest &&
      std::equal(prompt.thinking.begin(),
                 prompt.thinking.begin() + static_cast<std::ptrdiff_t>(boundary),
                 prompt.direct.begin())) {
    return {};
  }
  return fail(ErrorCode::usage,
              "the adapter is switched on where the prompt has been told whether to think: a "
              "switcher cannot decide that any more");
}

Route told_route(const RouteOptions& options) {
  return {options.mode != ThinkMode::off, std::nullopt};
}

Route switched_route(const RouteOptions& options, std::span<const float> pooled) {
  Route route = told_route(options);
  route.probability = options.switcher->probability(pooled);
  if (options.mode == ThinkMode::automatic) {
    route.thinking = *route.probability >= options.threshold;
  }
  return route;
}

std::string_view think_mode_name(ThinkMode mode) {
  switch (mode) {
    case ThinkMode::on:
      return "on";
    case ThinkMode::off:
      return "off";
    case ThinkMode::automatic:
      break;
  }
  return "auto";
}

}  // namespace pith
