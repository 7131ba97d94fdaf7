// Turns of a conversation, as the chat and the responses API write them.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "serve/field_reader.h"
#include "text/chat_template.h"

namespace pith {

inline constexpr size_t kMostMessages = 1024;
inline constexpr size_t kMostContentParts = 256;  // of one message

// A message with `role` and `content`: a string, or parts {"type", "text"} whose types are
// among `types`, joined. Nothing when it is at fault; `index` is its place.
std::optional<ChatMessage> read_message(FieldReader& message, size_t index,
                                        std::initializer_list<std::string_view> types);

}  // namespace pith
