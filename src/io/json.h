// JSON from files that others made, parsed within limits.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pith {

// Deeper than any file we read; few enough levels that walking them cannot exhaust
// the stack.
inline constexpr int kMaxJsonDepth = 32;

// `Json` is nlohmann::json, or nlohmann::ordered_json where the order of keys counts
// (its look-ups are linear: for small texts alone). `file` is for messages. Errors:
// corrupt (not JSON, nested too deep, an object that has a key twice).
template <class Json>
Result<Json> parse_json(std::string_view text, std::string_view file);

extern template Result<nlohmann::json> parse_json(std::string_view text, std::string_view file);
extern template Result<nlohmann::ordered_json> parse_json(std::string_view text,
                                                          std::string_view file);

// Calls `visit` with each character that stands outside of strings, their quotes left out,
// until it returns false. Exact for well-formed text.
template <class Visit>
void visit_outside_strings(std::string_view text, Visit visit) {
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (!visit(c)) {
      return;
    }
  }
}

// The names of the members in which two runs' settings differ, joined by commas; empty
// when they are the same. A member that is not there is null.
std::string differing_settings(const nlohmann::ordered_json& a, const nlohmann::ordered_json& b);

}  // namespace pith
