// Words that stand in answers: names of mathematics, units, currencies.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>

namespace pith {

// ASCII letters in lower case, all else as it is.
std::string lower_case(std::string_view text);

// Without spaces, and what else of `front` and `back` stands at the ends.
std::string_view trimmed(std::string_view text, std::string_view front, std::string_view back);

template <size_t N>
bool contains(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// All names are in lower case.

// "sin", "log", "max": what is applied to what follows.
bool is_function(std::string_view name);
// Those whose power -1 is their inverse.
bool is_trigonometric(std::string_view name);

// Functions, constants, Greek letters, and the words of plain notation.
bool is_mathematical(std::string_view name);

// Words that join parts of an answer: "and", "or", "percent"; not those of a unit.
bool is_connective(std::string_view word);

// Whether words behind a value, "if x > 0", "for all n", are more than its unit.
bool is_condition(std::string_view words);

// Whether a name behind a number is a unit and no factor: "18 dollars", "5cm", "10 m",
// but not "5m", "2 pi", "3xy". `after_space`: a space parts it from the number.
bool is_unit(std::string_view name, bool after_space);

// Currencies that are written before the number: "usd", "rs".
bool is_currency(std::string_view name);

}  // namespace pith
