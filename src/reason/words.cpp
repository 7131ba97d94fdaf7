#include "reason/words.h"

#include <algorithm>
#include <iterator>

namespace pith {
namespace {

template <size_t N>
bool contains(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// Never units, although they are words.
constexpr std::string_view kMathNames[] = {
    "alpha", "and",     "arccos", "arcsin", "arctan", "beta", "cos",   "cot",    "csc",
    "delta", "epsilon", "exp",    "frac",   "gamma",  "inf",  "kappa", "lambda", "ln",
    "log",   "matrix",  "mu",     "nu",     "omega",  "or",   "phi",   "pi",     "pm",
    "psi",   "rho",     "root",   "sec",    "sigma",  "sin",  "sqrt",  "tan",    "tau",
    "theta", "union",   "varphi", "xi",     "zeta"};

constexpr std::string_view kShortUnits[] = {"cm", "mm", "km", "dm", "kg", "mg", "ml", "cl", "ft",
                                            "in", "yd", "mi", "oz", "lb", "hr", "kw", "gb", "mb"};
// "5m" may be a product, "5 m" is a length.
constexpr std::string_view kLetterUnits[] = {"m", "g", "s", "h", "l"};

constexpr std::string_view kCurrencies[] = {"usd", "us", "eur", "gbp", "rs", "inr", "cad", "aud"};

}  // namespace

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool is_unit(std::string_view name, bool after_space) {
  if (contains(kMathNames, name)) return false;
  if (name.size() == 1) return after_space && contains(kLetterUnits, name);
  if (contains(kShortUnits, name)) return true;
  // Any other word of three letters or more counts things: "eggs", "hours".
  const bool word = name.size() >= 3 && name.find_first_of("aeiou") != std::string_view::npos;
  return word && after_space;
}

bool is_currency(std::string_view name) { return contains(kCurrencies, name); }

}  // namespace pith
