// Where a text may be left off.
#pragma once

#include <string_view>

namespace pith {

// Whether the text ends where a sentence or a line does. Errs on the side of no: a full
// stop behind a digit may go on as a decimal, behind a single letter as an abbreviation,
// a line that ends in a colon or an operator announces the next, and a displayed
// formula is one piece. No for a blank text. Linear in the text's length.
bool ends_sentence(std::string_view text);

}  // namespace pith
