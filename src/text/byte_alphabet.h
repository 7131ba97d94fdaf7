// GPT-2's printable byte alphabet: how vocabularies write the 256 byte values as
// visible characters (space as "Ġ", newline as "Ċ", most of ASCII as itself).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pith {

// The bytes that `written` stands for; nothing when a character is not of the alphabet.
std::optional<std::string> bytes_of_alphabet(std::string_view written);

// The other way round.
std::string alphabet_of_bytes(std::string_view bytes);

}  // namespace pith
