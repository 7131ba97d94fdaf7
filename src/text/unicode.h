// The three properties of code points that pre-tokenisers ask for.
#pragma once

#include <cstdint>

namespace pith {

enum class CharClass : uint8_t {
  other,   // punctuation, symbols, marks, controls, unassigned, invalid
  letter,  // \p{L}
  number,  // \p{N}
  space,   // \s: the property White_Space
};

// Unicode 16.0, whatever the system's libraries know: the tokens of a text must
// not depend on the machine. O(1); any value is allowed.
CharClass char_class(char32_t code_point);

}  // namespace pith
