#include "reason/rational.h"

#include <algorithm>
#include <limits>

namespace pith {
namespace {

__extension__ typedef unsigned __int128 UInt128;

// The most negative value is left out, so that every value can be negated.
constexpr Int128 kMax = static_cast<Int128>(std::numeric_limits<UInt128>::max() >> 1);

Int128 magnitude(Int128 a) { return a < 0 ? -a : a; }

Int128 gcd(Int128 a, Int128 b) {
  a = magnitude(a);
  b = magnitude(b);
  while (b != 0) {
    const Int128 rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

// Not the compiler's overflow built-in: on 128 bits clang's needs a run-time
// library that is not everywhere.
std::optional<Int128> checked_multiply(Int128 a, Int128 b) {
  if (a == 0 || b == 0) return Int128{0};
  if (magnitude(a) > kMax / magnitude(b)) return std::nullopt;
  return a * b;
}

std::optional<Int128> checked_add(Int128 a, Int128 b) {
  if (b > 0 ? a > kMax - b : a < -kMax - b) return std::nullopt;
  return a + b;
}

std::optional<Int128> power_of_ten(int exponent) {
  Int128 result = 1;
  for (; exponent > 0; --exponent) {
    const auto next = checked_multiply(result, 10);
    if (!next) return std::nullopt;
    result = *next;
  }
  return result;
}

// Newton's method from above; exact for perfect squares.
std::optional<Int128> exact_sqrt_integer(Int128 a) {
  if (a < 0) return std::nullopt;
  if (a < 2) return a;
  Int128 x = a / 2 + 1;
  for (Int128 next = (x + a / x) / 2; next < x; next = (x + a / x) / 2) x = next;
  if (x > kMax / x || x * x != a) return std::nullopt;
  return x;
}

std::string to_string(Int128 a) {
  if (a == 0) return "0";
  std::string digits;
  for (Int128 rest = magnitude(a); rest != 0; rest /= 10) {
    digits.push_back(static_cast<char>('0' + static_cast<int>(rest % 10)));
  }
  if (a < 0) digits.push_back('-');
  std::reverse(digits.begin(), digits.end());
  return digits;
}

// "-12", "+3": up to four digits, more than any exponent that fits.
std::optional<int> parse_exponent(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text.empty() || text.size() > 4) return std::nullopt;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return negative ? -value : value;
}

}  // namespace

std::optional<Rational> make_rational(Int128 numerator, Int128 denominator) {
  if (denominator == 0 || numerator < -kMax || denominator < -kMax) return std::nullopt;
  if (denominator < 0) {
    numerator = -numerator;
    denominator = -denominator;
  }
  const Int128 divisor = gcd(numerator, denominator);
  return Rational{numerator / divisor, denominator / divisor};
}

std::optional<Rational> add(const Rational& a, const Rational& b) {
  const Int128 common = gcd(a.denominator, b.denominator);
  const auto left = checked_multiply(a.numerator, b.denominator / common);
  const auto right = checked_multiply(b.numerator, a.denominator / common);
  const auto denominator = checked_multiply(a.denominator, b.denominator / common);
  if (!left || !right || !denominator) return std::nullopt;
  const auto numerator = checked_add(*left, *right);
  if (!numerator) return std::nullopt;
  return make_rational(*numerator, *denominator);
}

std::optional<Rational> multiply(const Rational& a, const Rational& b) {
  // Reducing across first keeps every product that fits in its end from overflowing.
  const auto left = make_rational(a.numerator, b.denominator);
  const auto right = make_rational(b.numerator, a.denominator);
  if (!left || !right) return std::nullopt;
  const auto numerator = checked_multiply(left->numerator, right->numerator);
  const auto denominator = checked_multiply(left->denominator, right->denominator);
  if (!numerator || !denominator) return std::nullopt;
  return make_rational(*numerator, *denominator);
}

std::optional<Rational> divide(const Rational& a, const Rational& b) {
  const auto inverse = make_rational(b.denominator, b.numerator);
  return inverse ? multiply(a, *inverse) : std::nullopt;
}

Rational negate(const Rational& a) { return {-a.numerator, a.denominator}; }

std::optional<Rational> power(const Rational& a, int exponent) {
  if (a.numerator == 0 && exponent <= 0) return std::nullopt;
  // Only 0, 1 and -1 have higher powers that fit.
  const bool unit = magnitude(a.numerator) <= 1 && a.is_integer();
  if (unit) return exponent % 2 == 0 && a.numerator != 0 ? Rational{1, 1} : a;
  if (exponent > 127 || exponent < -127) return std::nullopt;
  std::optional<Rational> result = Rational{1, 1};
  for (int i = 0; i < (exponent < 0 ? -exponent : exponent) && result; ++i) {
    result = multiply(*result, a);
  }
  return result && exponent < 0 ? divide({1, 1}, *result) : result;
}

std::optional<Rational> exact_sqrt(const Rational& a) {
  const auto numerator = exact_sqrt_integer(a.numerator);
  const auto denominator = exact_sqrt_integer(a.denominator);
  if (!numerator || !denominator) return std::nullopt;
  return make_rational(*numerator, *denominator);
}

std::optional<Rational> parse_decimal(std::string_view digits) {
  Int128 mantissa = 0;
  int scale = 0;  // digits after the point
  bool point = false;
  bool any_digit = false;
  size_t i = 0;
  for (; i < digits.size(); ++i) {
    const char c = digits[i];
    if (c == '.' && !point) {
      point = true;
      continue;
    }
    if (c < '0' || c > '9') break;
    any_digit = true;
    const auto shifted = checked_multiply(mantissa, 10);
    const auto next = shifted ? checked_add(*shifted, c - '0') : std::nullopt;
    if (!next) return std::nullopt;
    mantissa = *next;
    if (point) ++scale;
  }
  if (!any_digit) return std::nullopt;
  int exponent = 0;
  if (i < digits.size()) {
    if (digits[i] != 'e' && digits[i] != 'E') return std::nullopt;
    const auto written = parse_exponent(digits.substr(i + 1));
    if (!written) return std::nullopt;
    exponent = *written;
  }
  const int shift = exponent - scale;
  if (mantissa == 0) return Rational{};
  const auto factor = power_of_ten(shift < 0 ? -shift : shift);
  if (!factor) return std::nullopt;
  return shift < 0 ? make_rational(mantissa, *factor) : multiply({mantissa, 1}, {*factor, 1});
}

std::string to_string(const Rational& a) {
  if (a.is_integer()) return to_string(a.numerator);
  return to_string(a.numerator) + '/' + to_string(a.denominator);
}

}  // namespace pith
