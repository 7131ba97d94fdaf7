// The prompt behind a branch that asks whether it is right.
#pragma once

#include <string>

#include "base/error.h"
#include "text/chat_template.h"

namespace pith {

// In the words of the template: the assistant's turn is closed, the user asks whether the
// solution is correct, the assistant's turn begins. Errors: those of render_chat().
Result<std::string> default_verification(ChatTemplate chat_template);

}  // namespace pith
