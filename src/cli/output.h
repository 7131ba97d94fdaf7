// Standard output. What cannot be written is remembered: main() reports it.
#pragma once

#include <string_view>

namespace pith::cli {

void print(std::string_view text);
// The same, and seen at once.
void print_now(std::string_view text);

// Whether something could not be written: a full disk, a reader that went away. What
// would follow is in vain.
bool output_failed();

// Writes what is still buffered. Returns the errno of the first failure, 0 if there was none.
int finish_output();

}  // namespace pith::cli
