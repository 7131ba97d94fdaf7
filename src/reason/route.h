// Whether a question is worth reasoning (arXiv 2603.16867, section 3): its prompt is read by
// the base model up to the boundary, and what follows, the assistant's header, as the
// decision has it. Nothing is read twice.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "base/error.h"
#include "reason/adapter_use.h"
#include "reason/switcher.h"

namespace pith {

enum class ThinkMode {
  automatic,  // as the switcher says; without one, on
  on,
  off,
};
std::string_view think_mode_name(ThinkMode mode);  // "auto", "on", "off"

struct RouteOptions {
  ThinkMode mode = ThinkMode::automatic;
  const Switcher* switcher = nullptr;  // borrowed; null: none
  double threshold = 0.5;              // least probability with which it reasons
  bool observe = false;  // ask the switcher, for the record, where the mode decides too

  // Whether the switcher is asked.
  bool asks_switcher() const {
    return switcher != nullptr && (mode == ThinkMode::automatic || observe);
  }
};

struct Route {
  bool thinking = true;
  std::optional<double> probability;  // that reasoning is needed; none when nobody asked
};

// What the mode says by itself, and with what the switcher says of pooled hidden states, [C].
Route told_route(const RouteOptions& options);
Route switched_route(const RouteOptions& options, std::span<const float> pooled);

// A prompt in two wordings that are the same up to the boundary.
struct RoutedPrompt {
  std::span<const TokenId> thinking;
  std::span<const TokenId> direct;
  // Where the adapter takes over when the model thinks; kNoAdapter for none, but the
  // boundary is `from` all the same.
  AdapterUse adapter;

  std::span<const TokenId> tokens(bool is_thinking) const {
    return is_thinking ? thinking : direct;
  }
};

// Whether a switcher can decide before the two wordings part. Errors: usage (nothing stands
// before the boundary, or the wordings differ there).
Status check_boundary(const RoutedPrompt& prompt);

}  // namespace pith
