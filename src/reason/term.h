// Parts of an expression, and how they combine: exactly where they are numbers,
// as text with no needless parentheses where they are not.
#pragma once

#include <optional>
#include <string>

#include "reason/rational.h"

namespace pith {

// How tightly an expression holds together: what needs parentheses inside what.
enum class Binding { relation, sum, negation, product, power, atom };

struct Term {
  std::string text;
  std::optional<Rational> number;
  Binding binding = Binding::atom;
};

Term number_term(const Rational& value);

// The term's text, in parentheses if it binds less tightly than `least`.
std::string parenthesised(const Term& term, Binding least);

// `op` is '+', '-', or '~' for plus or minus.
Term add_terms(const Term& left, const Term& right, char op);
// `op` is '*' or '/'.
Term multiply_terms(const Term& left, const Term& right, char op);
Term negated(const Term& term);
Term raised(const Term& base, const Term& exponent);
Term factorial(const Term& base);
Term square_root(const Term& radicand);

}  // namespace pith
