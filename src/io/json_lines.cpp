#include "io/json_lines.h"

#include <algorithm>
#include <utility>

#include "base/ascii.h"

namespace pith {

using Json = nlohmann::json;

Result<JsonLine> JsonLine::parse(std::string_view text, const std::string& path, size_t number) {
  JsonLine line(Json::parse(text, nullptr, /*allow_exceptions=*/false), path, number);
  if (!line.object_.is_object()) return line.bad("it is not a JSON object");
  return line;
}

const Json& JsonLine::member(const char* name) const {
  static const Json kNull;
  const auto found = object_.find(name);
  return found == object_.end() ? kNull : *found;
}

Result<std::string> JsonLine::text(const char* name) const {
  const Json& value = member(name);
  if (!value.is_string()) return bad("it has no text \"{}\"", name);
  std::string text(trimmed(value.get_ref<const std::string&>()));
  if (text.empty()) return bad("its \"{}\" is empty", name);
  return text;
}

Result<std::optional<JsonLine>> JsonLines::next() {
  while (!rest_.empty()) {
    const std::string_view line = rest_.substr(0, rest_.find('\n'));
    rest_.remove_prefix(std::min(line.size() + 1, rest_.size()));
    ++number_;
    if (trimmed(line).empty()) continue;
    PITH_TRY(JsonLine parsed, JsonLine::parse(line, path_, number_));
    return parsed;
  }
  return std::nullopt;
}

}  // namespace pith
