#include "reason/term.h"

#include <fmt/format.h>

namespace pith {

Term number_term(const Rational& value) {
  const Binding binding = value.numerator < 0  ? Binding::negation
                          : value.is_integer() ? Binding::atom
                                               : Binding::product;
  return {to_string(value), value, binding};
}

std::string parenthesised(const Term& term, Binding least) {
  return term.binding >= least ? term.text : "(" + term.text + ")";
}

Term add_terms(const Term& left, const Term& right, char op) {
  if (left.number && right.number && op != '~') {
    const Rational operand = op == '-' ? negate(*right.number) : *right.number;
    if (const auto value = add(*left.number, operand)) return number_term(*value);
  }
  return {left.text + op + parenthesised(right, Binding::product), std::nullopt, Binding::sum};
}

Term multiply_terms(const Term& left, const Term& right, char op) {
  if (left.number && right.number) {
    const auto value =
        op == '/' ? divide(*left.number, *right.number) : multiply(*left.number, *right.number);
    if (value) return number_term(*value);
  }
  std::string text = parenthesised(left, Binding::negation);
  const std::string factor = parenthesised(right, op == '/' ? Binding::power : Binding::product);
  // "2x", but "2*3^n".
  const bool digit_next = !factor.empty() && factor.front() >= '0' && factor.front() <= '9';
  if (op == '/' || digit_next) text += op;
  return {text + factor, std::nullopt,
          left.binding == Binding::negation ? Binding::negation : Binding::product};
}

Term negated(const Term& term) {
  if (term.number) return number_term(negate(*term.number));
  return {fmt::format("-{}", parenthesised(term, Binding::product)), std::nullopt,
          Binding::negation};
}

Term raised(const Term& base, const Term& exponent) {
  constexpr int kMost = 1000;  // beyond any power that fits
  const bool small = exponent.number && exponent.number->is_integer() &&
                     exponent.number->numerator > -kMost && exponent.number->numerator < kMost;
  if (base.number && small) {
    const auto value = power(*base.number, static_cast<int>(exponent.number->numerator));
    if (value) return number_term(*value);
  }
  return {parenthesised(base, Binding::atom) + "^" + parenthesised(exponent, Binding::atom),
          std::nullopt, Binding::power};
}

Term factorial(const Term& base) {
  constexpr int kMost = 33;  // 34! does not fit
  const bool small = base.number && base.number->is_integer() && base.number->numerator >= 0 &&
                     base.number->numerator <= kMost;
  if (!small) return {parenthesised(base, Binding::atom) + "!", std::nullopt, Binding::atom};
  Int128 value = 1;
  for (Int128 i = 2; i <= base.number->numerator; ++i) value *= i;
  return number_term({value, 1});
}

Term square_root(const Term& radicand) {
  if (radicand.number) {
    if (const auto root = exact_sqrt(*radicand.number)) return number_term(*root);
  }
  return {"sqrt(" + radicand.text + ")", std::nullopt, Binding::atom};
}

}  // namespace pith
