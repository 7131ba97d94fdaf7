#include "io/json.h"

#include <fmt/ranges.h>

#include <set>
#include <vector>

namespace pith {
namespace {

// Exact for well-formed text; the parser refuses any other.
bool nested_too_deep(std::string_view text) {
  int depth = 0;
  visit_outside_strings(text, [&](char c) {
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    return depth <= kMaxJsonDepth;
  });
  return depth > kMaxJsonDepth;
}

// Follows a parser and notes the first key that its object has already.
template <class Json>
class KeyWatch {
 public:
  bool operator()(int /*depth*/, typename Json::parse_event_t event, Json& parsed) {
    using Event = typename Json::parse_event_t;
    if (event == Event::object_start) {
      open_.emplace_back();
    } else if (event == Event::object_end) {
      open_.pop_back();
    } else if (event == Event::key) {
      const auto& key = parsed.template get_ref<const std::string&>();
      if (!open_.back().insert(key).second && repeated_.empty()) repeated_ = printable(key);
    }
    return true;
  }

  const std::string& repeated() const { return repeated_; }

 private:
  std::vector<std::set<std::string>> open_;  // keys of the objects that are open
  std::string repeated_;
};

}  // namespace

template <class Json>
Result<Json> parse_json(std::string_view text, std::string_view file) {
  if (nested_too_deep(text)) {
    return fail(ErrorCode::corrupt, "{}: JSON nested deeper than {} levels", printable(file, 400),
                kMaxJsonDepth);
  }
  try {
    KeyWatch<Json> watch;
    Json json = Json::parse(text, std::ref(watch));
    if (watch.repeated().empty()) return json;
    return fail(ErrorCode::corrupt, "{}: the key '{}' is twice in one object", printable(file, 400),
                watch.repeated());
  } catch (const typename Json::exception& error) {
    const auto* where = dynamic_cast<const typename Json::parse_error*>(&error);
    return fail(ErrorCode::corrupt, "{}: not JSON from byte {} on", printable(file, 400),
                where == nullptr ? 0 : where->byte);
  }
}

template Result<nlohmann::json> parse_json(std::string_view text, std::string_view file);
template Result<nlohmann::ordered_json> parse_json(std::string_view text, std::string_view file);

std::string differing_settings(const nlohmann::ordered_json& a, const nlohmann::ordered_json& b) {
  nlohmann::ordered_json both = a;
  both.update(b);
  std::vector<std::string> names;
  for (const auto& [name, value] : both.items()) {
    if (a.value(name, nlohmann::ordered_json()) != b.value(name, nlohmann::ordered_json())) {
      names.push_back(printable(name, 40));
    }
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace pith
