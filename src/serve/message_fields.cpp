#include "serve/message_fields.h"

#include <algorithm>

namespace pith {
namespace {

using nlohmann::json;

std::optional<std::string> read_parts(FieldReader& message,
                                      std::initializer_list<std::string_view> types) {
  const json* parts = message.array("content", kMostContentParts);
  if (parts == nullptr) return std::nullopt;
  std::string text;
  for (size_t i = 0; i < parts->size(); ++i) {
    const std::string path = fmt::format("{}[{}]", message.param("content"), i);
    if (!(*parts)[i].is_object()) {
      message.refuse("content", "must be a string or an array of objects", "invalid_type");
      return std::nullopt;
    }
    FieldReader part((*parts)[i], message.fault(), path);
    const std::string type = part.string("type").value_or("");
    if (std::find(types.begin(), types.end(), type) == types.end()) {
      part.refuse("type", "must be text: nothing else is understood here", "unsupported_value");
      return std::nullopt;
    }
    const std::optional<std::string> piece = part.string("text");
    if (!piece) {
      part.refuse("text", "is missing", "missing_required_parameter");
      return std::nullopt;
    }
    text += *piece;
  }
  return text;
}

}  // namespace

std::optional<ChatMessage> read_message(FieldReader& message, size_t index,
                                        std::initializer_list<std::string_view> types) {
  if (message.find("role") == nullptr) {
    message.refuse("role", "is missing", "missing_required_parameter");
    return std::nullopt;
  }
  const auto role = message.choice<Role>("role", {{"system", Role::system},
                                                  {"developer", Role::system},
                                                  {"user", Role::user},
                                                  {"assistant", Role::assistant}});
  if (!role) return std::nullopt;
  if (*role == Role::system && index > 0) {
    message.refuse("role", "cannot be system or developer after the first message");
    return std::nullopt;
  }
  const json* content = message.find("content");
  if (content == nullptr) {
    message.refuse("content", "is missing", "missing_required_parameter");
    return std::nullopt;
  }
  const std::optional<std::string> text =
      content->is_string() ? message.string("content") : read_parts(message, types);
  if (!text) return std::nullopt;
  return ChatMessage{*role, *text};
}

}  // namespace pith
