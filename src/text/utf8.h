// Decoding UTF-8 of any origin, one character at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pith {

inline constexpr char32_t kReplacementCharacter = U'\ufffd';

struct Utf8Char {
  enum class State : uint8_t {
    valid,
    invalid,     // bytes that no continuation makes valid
    incomplete,  // the text ends inside a character that was valid so far
  };
  char32_t code_point = kReplacementCharacter;  // the replacement character unless valid
  uint8_t length = 1;                           // bytes, 1 to 4
  State state = State::invalid;
};

// The character that starts at `position`, which is within the text (not checked).
// Well-formed as in the Unicode standard, table 3-7: no overlong forms, no
// surrogates, nothing above U+10FFFF. What is invalid or incomplete is a "maximal
// subpart" of the standard, section 3.9: one U+FFFD stands for `length` bytes.
Utf8Char decode_utf8(std::string_view text, size_t position);

// Appends the UTF-8 form of a code point below 0x110000.
void append_utf8(std::string& text, char32_t code_point);

// Errors: usage, with the place of the first byte that is not UTF-8. `what` names
// the text in the message: "the question".
Status check_utf8(std::string_view text, std::string_view what);

}  // namespace pith
