// What may be missing, as JSON: null where it is.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace pith {

// `Json` is nlohmann::json or nlohmann::ordered_json.
template <class Json, class T>
Json value_or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

// An empty text is none.
inline nlohmann::ordered_json text_or_null(const std::string& text) {
  return text.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(text);
}

}  // namespace pith
