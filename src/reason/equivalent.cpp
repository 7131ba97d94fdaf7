// When two answers that have been read are the same.
#include <algorithm>
#include <cmath>
#include <utility>

#include "reason/answer_form.h"

namespace pith {
namespace {

using Kind = AnswerForm::Kind;
using Unit = AnswerForm::Unit;

// ---- Values

bool is_decimal(const Rational& number) {
  Int128 rest = number.denominator;
  while (rest % 2 == 0) rest /= 2;
  while (rest % 5 == 0) rest /= 5;
  return rest == 1;
}

// Whether `decimal` is the start of the digits of a number that no decimal can write:
// 0.333333 for 1/3, 1.414214 for sqrt(2), rounded or cut off.
bool is_approximation(const AnswerForm& decimal, const AnswerForm& exact) {
  constexpr int kLeastDecimals = 6;
  if (!decimal.number || decimal.decimals < kLeastDecimals || exact.unit != Unit::none)
    return false;
  if (exact.number && is_decimal(*exact.number)) return false;
  // A value that is the same at all points is no function of variables.
  const auto& points = exact.value->values;
  const bool constant = std::all_of(points.begin(), points.end(), [&](const auto& value) {
    return value && points[0] && close(*value, *points[0]);
  });
  const auto& written = decimal.value->values[0];
  if (!constant || !written) return false;
  return std::abs(written->value - points[0]->value) < std::pow(10.0, -decimal.decimals);
}

bool equivalent_values(const AnswerForm& a, const AnswerForm& b) {
  const bool other_readings = a.unit != b.unit && a.unit != Unit::base && b.unit != Unit::base;
  if ((b.unit == Unit::none || other_readings) && a.other_number && a.other_number == b.number) {
    return true;
  }
  if ((a.unit == Unit::none || other_readings) && b.other_number && b.other_number == a.number) {
    return true;
  }
  if (a.number && b.number) {
    if (a.number == b.number) return true;
  } else if (same_value(*a.value, *b.value)) {
    return true;
  }
  return is_approximation(a, b) || is_approximation(b, a);
}

// ---- Collections

bool equivalent_parts(const AnswerForm& a, const AnswerForm& b) {
  return a.name == b.name &&
         std::equal(a.parts.begin(), a.parts.end(), b.parts.begin(), b.parts.end(), equivalent);
}

// Whether every part of either has its own partner in the other.
bool equivalent_sets(const AnswerForm& a, const AnswerForm& b) {
  if (a.parts.size() != b.parts.size()) return false;
  std::vector<const AnswerForm*> left;
  for (const AnswerForm& part : b.parts) left.push_back(&part);
  return std::all_of(a.parts.begin(), a.parts.end(), [&](const AnswerForm& part) {
    const auto partner = std::find_if(left.begin(), left.end(), [&](const AnswerForm* other) {
      return equivalent(part, *other);
    });
    if (partner == left.end()) return false;
    left.erase(partner);
    return true;
  });
}

// ---- Relations

bool equivalent_relations(const AnswerForm& a, const AnswerForm& b) {
  if (a.name != b.name || !a.difference || !b.difference) return false;
  return proportional(*a.difference, *b.difference, /*same_sign=*/a.name[0] == '<');
}

// "y = 2x" has been read as a value, "y - 2x = 0" as an equation.
bool same_equation(const AnswerForm& a, const AnswerForm& b) {
  const auto says_equation = [](const AnswerForm& form) {
    return form.difference && (form.kind == Kind::value || form.name == "=");
  };
  return says_equation(a) && says_equation(b) &&
         proportional(*a.difference, *b.difference, /*same_sign=*/false);
}

bool equivalent_in_order(const AnswerForm& a, const AnswerForm& b) {
  if (a.kind != b.kind) return same_equation(a, b);
  switch (a.kind) {
    case Kind::value:
      return equivalent_values(a, b) || same_equation(a, b);
    case Kind::relation:
      return equivalent_relations(a, b);
    case Kind::tuple:
    case Kind::matrix:
      return equivalent_parts(a, b);
    case Kind::set:
    case Kind::unite:
      return equivalent_sets(a, b);
    case Kind::text:
      return false;
  }
  return false;
}

}  // namespace

bool equivalent(const AnswerForm& a, const AnswerForm& b) {
  if (a.text == b.text) return true;
  // In one order, so that it is symmetric whatever is rounded on the way.
  return a.text < b.text ? equivalent_in_order(a, b) : equivalent_in_order(b, a);
}

}  // namespace pith
