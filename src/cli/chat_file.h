// A conversation as a JSON file: {"format": "pith-chat", "system": "..",
// "messages": [{"role": "user", "content": ".."}, ..]}.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "text/chat_template.h"

namespace pith::cli {

struct SavedChat {
  std::string system;                 // empty: none
  std::vector<ChatMessage> messages;  // user and assistant by turns, the user first
};

// The file is there in full or not at all. A symbolic link in its place is refused,
// so that a name can never lead to another file. Errors: io, exhausted.
Status save_chat(const SavedChat& chat, const std::string& path);

// Errors: not_found, io; corrupt, saying what is wrong with the file.
Result<SavedChat> load_chat(const std::string& path);

}  // namespace pith::cli
