// Exact fractions of 128-bit integers. Every operation is checked: a result that
// does not fit is no result, never a wrong one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pith {

__extension__ typedef __int128 Int128;

// Always reduced, denominator > 0, so that equal values have equal fields.
struct Rational {
  Int128 numerator = 0;
  Int128 denominator = 1;

  bool is_integer() const { return denominator == 1; }
  bool operator==(const Rational&) const = default;
};

// Nothing when the denominator is 0.
std::optional<Rational> make_rational(Int128 numerator, Int128 denominator);

// Nothing on overflow; divide also when b is 0.
std::optional<Rational> add(const Rational& a, const Rational& b);
std::optional<Rational> multiply(const Rational& a, const Rational& b);
std::optional<Rational> divide(const Rational& a, const Rational& b);
Rational negate(const Rational& a);

// a^exponent; nothing on overflow, for 0^0 and for 0 to a negative power.
std::optional<Rational> power(const Rational& a, int exponent);

// The square root where it is rational too.
std::optional<Rational> exact_sqrt(const Rational& a);

// "12", "12.50", ".5", "12." and each with an exponent as in "1.2e-5"; no sign, no
// separators. Nothing for anything else and for what does not fit.
std::optional<Rational> parse_decimal(std::string_view digits);

// "-3", "22/7".
std::string to_string(const Rational& a);

}  // namespace pith
