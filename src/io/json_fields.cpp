#include "io/json_fields.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace pith {

using Json = nlohmann::json;

Result<JsonFields> JsonFields::of(const Json& json, const std::string& file) {
  if (json.is_object()) return JsonFields(json, file, "");
  return fail(ErrorCode::corrupt, "{}: it is not a JSON object", printable(file, 400));
}

tl::unexpected<Error> JsonFields::bad(std::string_view key, std::string_view what) const {
  return fail(ErrorCode::corrupt, "{}: '{}{}' {}", printable(*file_, 400), prefix_, key, what);
}

Status JsonFields::refuse_others(std::initializer_list<std::string_view> known) const {
  for (const auto& [key, value] : json_->items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return fail(ErrorCode::unsupported, "{}: '{}{}' is a key that this pith does not know",
                printable(*file_, 400), prefix_, printable(key));
  }
  return {};
}

const Json* JsonFields::find(const char* key) const {
  const auto found = json_->find(key);
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

Result<std::optional<JsonFields>> JsonFields::object(const char* key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::optional<JsonFields>();
  if (!value->is_object()) return bad(key, "is not an object");
  return std::optional(JsonFields(*value, *file_, fmt::format("{}{}.", prefix_, key)));
}

Result<const Json*> JsonFields::list(const char* key) const {
  static const Json kEmpty = Json::array();
  const Json* value = find(key);
  if (value == nullptr) return &kEmpty;
  if (!value->is_array()) return bad(key, "is not a list");
  return value;
}

Result<std::vector<JsonFields>> JsonFields::objects(const char* key) const {
  PITH_TRY(const Json* values, list(key));
  std::vector<JsonFields> objects;
  for (const Json& value : *values) {
    if (!value.is_object()) return bad(key, "holds what is not an object");
    objects.push_back({value, *file_, fmt::format("{}{}[{}].", prefix_, key, objects.size())});
  }
  return objects;
}

Result<std::optional<std::string>> JsonFields::optional_text(const char* key,
                                                             size_t most_bytes) const {
  const Json* value = find(key);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is_string()) return bad(key, "is not a string");
  const auto& text = value->get_ref<const std::string&>();
  if (text.size() > most_bytes) return bad(key, fmt::format("is longer than {} bytes", most_bytes));
  return std::optional(text);
}

Result<std::string> JsonFields::text(const char* key, size_t most_bytes) const {
  PITH_TRY(auto text, optional_text(key, most_bytes));
  if (!text || text->empty()) return bad(key, "is missing");
  return *std::move(text);
}

Result<size_t> JsonFields::choice(const char* key, std::initializer_list<std::string_view> names,
                                  std::string_view fallback) const {
  PITH_TRY(const auto text, optional_text(key));
  const std::string_view wanted = text ? std::string_view(*text) : fallback;
  const auto* found = std::find(names.begin(), names.end(), wanted);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  return bad(key,
             fmt::format("is '{}', not one of {}", printable(wanted, 40), fmt::join(names, ", ")));
}

Result<uint64_t> JsonFields::count(const char* key, uint64_t least, uint64_t most,
                                   std::optional<uint64_t> fallback) const {
  const Json* value = find(key);
  if (value == nullptr && fallback) return *fallback;
  if (value == nullptr) return bad(key, "is missing");
  if (value->is_number_unsigned()) {
    const auto number = value->get<uint64_t>();
    if (number >= least && number <= most) return number;
  }
  return bad(key, fmt::format("is not a whole number from {} to {}", least, most));
}

Result<std::optional<double>> JsonFields::optional_number(const char* key, double most) const {
  const Json* value = find(key);
  if (value == nullptr) return std::optional<double>();
  if (value->is_number()) {
    const auto number = value->get<double>();
    if (number >= 0 && number <= most) return std::optional(number);
  }
  return bad(key, fmt::format("is not a number from 0 to {}", most));
}

}  // namespace pith
