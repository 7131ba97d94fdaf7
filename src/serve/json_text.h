// JSON as it goes over the wire.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace pith {

// On one line; what is not UTF-8 in it becomes U+FFFD.
inline std::string json_text(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

// An event of a stream (HTML standard, 9.2): "data: {...}". No line of `json` breaks.
inline std::string sse_event(const nlohmann::ordered_json& json) {
  return "data: " + json_text(json) + "\n\n";
}

// The same with a name.
inline std::string sse_event(std::string_view name, const nlohmann::ordered_json& json) {
  return "event: " + std::string(name) + "\n" + sse_event(json);
}

// The event of a chunk that was held back, and is no more; empty where there was none.
inline std::string take_held(std::optional<nlohmann::ordered_json>& held) {
  if (!held) return "";
  const std::string out = sse_event(*held);
  held.reset();
  return out;
}

// What ends a stream of chunks, and what keeps a silent one alive.
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";
inline constexpr std::string_view kSseKeepAlive = ": waiting\n\n";

}  // namespace pith
