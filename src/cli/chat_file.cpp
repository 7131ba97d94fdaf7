#include "cli/chat_file.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"

namespace pith::cli {
namespace {

using nlohmann::json;

constexpr std::string_view kFormat = "pith-chat";
constexpr uint64_t kMostBytes = uint64_t{64} << 20;  // of a file; no context holds more

std::string_view role_name(Role role) { return role == Role::user ? "user" : "assistant"; }

tl::unexpected<Error> bad_file(const std::string& path, std::string_view what) {
  return fail(ErrorCode::corrupt, "{} is no saved chat: {}", printable(path, 400), what);
}

const std::string* string_member(const json& object, const char* key) {
  const auto member = object.find(key);
  return member == object.end() ? nullptr : member->get_ptr<const std::string*>();
}

}  // namespace

Status save_chat(const SavedChat& chat, const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_symlink(std::filesystem::symlink_status(path, error))) {
    return fail(ErrorCode::io, "{} is a symbolic link: name the file itself", printable(path, 400));
  }
  json messages = json::array();
  for (const ChatMessage& message : chat.messages) {
    messages.push_back({{"role", role_name(message.role)}, {"content", message.content}});
  }
  const json file = {
      {"format", kFormat}, {"system", chat.system}, {"messages", std::move(messages)}};
  return write_file(path, file.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
}

Result<SavedChat> load_chat(const std::string& path) {
  std::error_code error;
  // What is no file may have no end, or wait for one for ever.
  const auto type = std::filesystem::status(path, error).type();
  if (type != std::filesystem::file_type::regular &&
      type != std::filesystem::file_type::not_found) {
    return bad_file(path, "it is not a regular file");
  }
  PITH_TRY(const std::string text, read_file(path, kMostBytes));
  const json file = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!file.is_object()) return bad_file(path, "it is not a JSON object");
  const std::string* format = string_member(file, "format");
  if (format == nullptr || *format != kFormat) {
    return bad_file(path, "its \"format\" is not \"pith-chat\"");
  }
  SavedChat chat;
  if (file.contains("system")) {
    const std::string* system = string_member(file, "system");
    if (system == nullptr) return bad_file(path, "its \"system\" is no text");
    chat.system = *system;
  }
  const auto messages = file.find("messages");
  if (messages == file.end() || !messages->is_array()) {
    return bad_file(path, "it has no list of \"messages\"");
  }
  for (const json& message : *messages) {
    const Role role = chat.messages.size() % 2 == 0 ? Role::user : Role::assistant;
    const std::string* name = message.is_object() ? string_member(message, "role") : nullptr;
    const std::string* content = message.is_object() ? string_member(message, "content") : nullptr;
    if (name == nullptr || content == nullptr || *name != role_name(role)) {
      return bad_file(path, fmt::format("message {} should be the {}'s, with a \"content\"",
                                        chat.messages.size() + 1, role_name(role)));
    }
    chat.messages.push_back({role, *content});
  }
  return chat;
}

}  // namespace pith::cli
