// What a user hands to a command, checked before it is used.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace pith::cli {

// All of standard input. Errors: io; usage (more than 16 MiB, which no context holds).
Result<std::string> read_standard_input();

// Errors: usage, with the place of the first byte that is not UTF-8. `what` names
// the text in the message: "the question".
Status check_utf8(std::string_view text, std::string_view what);

}  // namespace pith::cli
