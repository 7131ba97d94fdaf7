#include "reason/words.h"

#include <algorithm>
#include <iterator>

#include "base/ascii.h"
#include "reason/scanner.h"

namespace pith {
namespace {

constexpr std::string_view kTrigonometric[] = {"cos", "cosh", "cot", "csc", "sec",
                                               "sin", "sinh", "tan", "tanh"};

constexpr std::string_view kFunctions[] = {"abs", "arccos", "arcsin", "arctan", "ceil",
                                           "exp", "floor",  "gcd",    "lcm",    "lg",
                                           "ln",  "log",    "max",    "min"};

// Never units, although they are words.
constexpr std::string_view kMathNames[] = {
    "alpha", "and", "beta",  "binom", "deg",    "delta",  "epsilon", "eta",  "frac",
    "gamma", "in",  "inf",   "kappa", "lambda", "matrix", "mp",      "mu",   "nu",
    "omega", "or",  "phi",   "pi",    "pm",     "psi",    "rho",     "root", "sigma",
    "sqrt",  "tau", "theta", "union", "varphi", "xi",     "zeta"};

constexpr std::string_view kConnectives[] = {"and", "cent", "cents",   "in",
                                             "or",  "pct",  "percent", "union"};

constexpr std::string_view kConditions[] = {"and", "for", "if", "or", "when", "where"};

constexpr std::string_view kShortUnits[] = {"cm", "mm", "km", "dm", "kg", "mg", "ml", "cl", "ft",
                                            "in", "yd", "mi", "oz", "lb", "hr", "kw", "gb", "mb"};
// "5m" may be a product, "5 m" is a length.
constexpr std::string_view kLetterUnits[] = {"m", "g", "s", "h", "l"};

constexpr std::string_view kCurrencies[] = {"usd", "us", "eur", "gbp", "rs", "inr", "cad", "aud"};

}  // namespace

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    c = lower(c);
  }
  return result;
}

std::string_view trimmed(std::string_view text, std::string_view front, std::string_view back) {
  const auto any = [](std::string_view set, char c) {
    return is_space(c) || set.find(c) != std::string_view::npos;
  };
  while (!text.empty() && any(front, text.front())) text.remove_prefix(1);
  while (!text.empty() && any(back, text.back())) text.remove_suffix(1);
  return text;
}

bool is_trigonometric(std::string_view name) { return contains(kTrigonometric, name); }

bool is_function(std::string_view name) {
  return contains(kFunctions, name) || is_trigonometric(name);
}

bool is_mathematical(std::string_view name) {
  return contains(kMathNames, name) || is_function(name);
}

bool is_connective(std::string_view word) { return contains(kConnectives, word); }

bool is_condition(std::string_view words) {
  return contains(kConditions, words.substr(0, words.find(' ')));
}

bool is_unit(std::string_view name, bool after_space) {
  // "5 in" is a length, "in" elsewhere a relation.
  if (name != "in" && is_mathematical(name)) return false;
  if (name.size() == 1) return after_space && contains(kLetterUnits, name);
  if (contains(kShortUnits, name)) return true;
  // Any other word of three letters or more counts things: "eggs", "hours".
  const bool word = name.size() >= 3 && name.find_first_of("aeiou") != std::string_view::npos;
  return word && after_space;
}

bool is_currency(std::string_view name) { return contains(kCurrencies, name); }

}  // namespace pith
