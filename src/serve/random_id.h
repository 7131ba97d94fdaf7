// Names that nobody can guess.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pith {

// Of the system's generator.
uint64_t random_bits();

// The prefix and 24 hexadecimal digits: "resp_0f3c..".
std::string random_id(std::string_view prefix);

}  // namespace pith
