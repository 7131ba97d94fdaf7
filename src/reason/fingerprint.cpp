#include "reason/fingerprint.h"

#include <cmath>

#include "reason/functions.h"
#include "reason/modular.h"

namespace pith {
namespace {

// Fewer points where both are defined prove nothing.
constexpr int kLeastPoints = 3;

using Residues = std::array<uint64_t, kModularPoints>;

std::optional<Residues> residues_of(const Expression& expression) {
  Residues result{};
  for (int point = 0; point < kModularPoints; ++point) {
    const auto value = residue(expression, point);
    if (!value) return std::nullopt;
    result[static_cast<size_t>(point)] = *value;
  }
  return result;
}

bool proportional_residues(const Residues& a, const Residues& b) {
  for (int i = 0; i < kModularPoints; i += 2) {
    const auto at = static_cast<size_t>(i);
    if ((a[at] == 0 && a[at + 1] == 0) || (b[at] == 0 && b[at + 1] == 0)) return false;
    if (multiply_residues(a[at], b[at + 1], i) != multiply_residues(a[at + 1], b[at], i)) {
      return false;
    }
  }
  return true;
}

}  // namespace

Fingerprint fingerprint(const Expression& expression) {
  Fingerprint result;
  result.residues = residues_of(expression);
  for (int point = 0; point < kRealPoints; ++point) {
    result.values[static_cast<size_t>(point)] = approximate(expression, point);
  }
  return result;
}

Fingerprint fingerprint(const Rational& number) {
  Fingerprint result;
  result.residues = residues_of(make_number(number));
  result.values.fill(approximate(make_number(number), 0));
  return result;
}

bool same_value(const Fingerprint& a, const Fingerprint& b) {
  if (a.residues && b.residues) return a.residues == b.residues;
  int common = 0;
  for (size_t i = 0; i < a.values.size(); ++i) {
    if (!a.values[i] || !b.values[i]) continue;
    if (!close(*a.values[i], *b.values[i])) return false;
    ++common;
  }
  return common >= kLeastPoints;
}

bool proportional(const Fingerprint& a, const Fingerprint& b, bool same_sign) {
  const bool exact = a.residues && b.residues;
  if (exact && !proportional_residues(*a.residues, *b.residues)) return false;
  MaybeApproximation ratio;
  int common = 0;
  for (size_t i = 0; i < a.values.size(); ++i) {
    const auto here = multiply(a.values[i], invert(b.values[i]));
    if (!here) continue;
    if (!ratio) ratio = here;
    const bool differs = !exact && !close(*here, *ratio);
    if (differs || (same_sign && here->value.real() <= 0)) return false;
    ++common;
  }
  return common >= kLeastPoints || (exact && !same_sign);
}

}  // namespace pith
