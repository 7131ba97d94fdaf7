// Words that stand in answers: names of mathematics, units, currencies.
#pragma once

#include <string>
#include <string_view>

namespace pith {

// ASCII letters in lower case, all else as it is.
std::string lower_case(std::string_view text);

// All names are in lower case.

// Whether a name behind a number is a unit and no factor: "18 dollars", "5cm", "10 m",
// but not "5m", "2 pi", "3xy". `after_space`: a space parts it from the number.
bool is_unit(std::string_view name, bool after_space);

// Currencies that are written before the number: "usd", "rs".
bool is_currency(std::string_view name);

}  // namespace pith
