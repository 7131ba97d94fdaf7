// Text on a terminal: how wide it is, and what of it can be shown.
#pragma once

#include <string>
#include <string_view>

namespace pith::cli {

// Columns that the text takes: 2 for East Asian wide characters and emoji, 0 for
// combining marks, 1 for all else.
int display_width(std::string_view text);

// The longest beginning, or end, of the text that takes at most `columns`; never
// cuts a character apart.
std::string_view head_within(std::string_view text, int columns);
std::string_view tail_within(std::string_view text, int columns);

// The text without control characters but line breaks and tabs, so that what a
// model writes cannot drive the terminal.
std::string terminal_safe(std::string_view text);

// One line of it: runs of white space and control characters become one space.
std::string one_line(std::string_view text);

}  // namespace pith::cli
