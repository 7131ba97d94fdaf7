// GPT-2's printable byte alphabet: how vocabularies write the 256 byte values as
// visible characters (space as "Ġ", newline as "Ċ", most of ASCII as itself).
#pragma once

#include <string>
#include <string_view>

namespace pith {

// Appends the bytes that `written` stands for. False, and nothing is appended, when a
// character is not of the alphabet.
bool append_bytes_of_alphabet(std::string_view written, std::string& bytes);

// The other way round.
std::string alphabet_of_bytes(std::string_view bytes);

}  // namespace pith
