#include "reason/functions.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace pith {
namespace {

using Complex = std::complex<double>;

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// With the error of the operation itself.
MaybeApproximation result_of(Complex value, double error) {
  error += 4 * kEpsilon * std::abs(value);
  const bool finite = std::isfinite(value.real()) && std::isfinite(value.imag());
  if (!finite || !std::isfinite(error)) return std::nullopt;
  return Approximation{value, error};
}

bool is_real(const Approximation& a) { return std::abs(a.value.imag()) <= a.error; }
bool is_zero(const Approximation& a) { return std::abs(a.value) <= 4 * a.error; }

// The whole number that it is but for its error.
std::optional<double> whole(const Approximation& a) {
  const double nearest = std::round(a.value.real());
  if (std::abs(a.value - nearest) > 4 * a.error + kEpsilon) return std::nullopt;
  return nearest;
}

// The real root of a negative number to an odd root.
MaybeApproximation odd_root(const Approximation& base, const Rational& exponent) {
  const double power =
      static_cast<double>(exponent.numerator) / static_cast<double>(exponent.denominator);
  const double size = std::pow(-base.value.real(), power);
  const double sign = exponent.numerator % 2 == 0 ? 1 : -1;
  return result_of(sign * size, std::abs(power) * size * base.error / -base.value.real());
}

// ---- Functions of one argument: the value, and how much the error grows.

struct Slope {
  Complex value;
  double slope;
};

std::optional<Slope> trigonometric(std::string_view name, Complex x) {
  const Complex sine = std::sin(x);
  const Complex cosine = std::cos(x);
  const double from_cosine = 1 / std::norm(cosine);
  const double from_sine = 1 / std::norm(sine);
  if (name == "sin") return Slope{sine, std::abs(cosine) + kEpsilon};
  if (name == "cos") return Slope{cosine, std::abs(sine) + kEpsilon};
  if (name == "tan") return Slope{sine / cosine, from_cosine};
  if (name == "cot") return Slope{cosine / sine, from_sine};
  if (name == "sec") return Slope{1.0 / cosine, from_cosine};
  if (name == "csc") return Slope{1.0 / sine, from_sine};
  return std::nullopt;
}

std::optional<Slope> hyperbolic(std::string_view name, Complex x) {
  if (name == "sinh") return Slope{std::sinh(x), std::abs(std::cosh(x))};
  if (name == "cosh") return Slope{std::cosh(x), std::abs(std::sinh(x))};
  if (name == "tanh") return Slope{std::tanh(x), 1};
  if (name == "exp") return Slope{std::exp(x), std::abs(std::exp(x))};
  return std::nullopt;
}

std::optional<Slope> of_real(std::string_view name, double x) {
  const double root = std::sqrt(1 - x * x);
  if (name == "arcsin" && std::abs(x) <= 1) return Slope{std::asin(x), 1 / std::max(root, 1e-8)};
  if (name == "arccos" && std::abs(x) <= 1) return Slope{std::acos(x), 1 / std::max(root, 1e-8)};
  if (name == "arctan") return Slope{std::atan(x), 1};
  return std::nullopt;
}

MaybeApproximation logarithm(const Approximation& x, bool real) {
  if (is_zero(x) || (real && x.value.real() < 0)) return std::nullopt;
  return result_of(std::log(x.value), x.error / std::abs(x.value));
}

MaybeApproximation step(std::string_view name, const Approximation& x) {
  if (!is_real(x)) return std::nullopt;
  if (const auto integer = whole(x)) return exactly(*integer);
  return exactly(name == "floor" ? std::floor(x.value.real()) : std::ceil(x.value.real()));
}

MaybeApproximation of_one(std::string_view name, const Approximation& x, bool real) {
  if (name == "ln") return logarithm(x, real);
  if (name == "log" || name == "lg") {
    return multiply(logarithm(x, real), rounded(std::numbers::log10e));
  }
  if (name == "abs") return result_of(std::abs(x.value), x.error);
  if (name == "floor" || name == "ceil") return step(name, x);
  auto slope = trigonometric(name, x.value);
  if (!slope) slope = hyperbolic(name, x.value);
  if (!slope && is_real(x)) slope = of_real(name, x.value.real());
  if (!slope) return std::nullopt;
  return result_of(slope->value, slope->slope * x.error);
}

}  // namespace

Approximation exactly(double value) { return {value, 0}; }
Approximation rounded(double value) { return {value, kEpsilon * std::abs(value)}; }

MaybeApproximation add(const MaybeApproximation& a, const MaybeApproximation& b) {
  if (!a || !b) return std::nullopt;
  return result_of(a->value + b->value,
                   a->error + b->error + kEpsilon * (std::abs(a->value) + std::abs(b->value)));
}

MaybeApproximation multiply(const MaybeApproximation& a, const MaybeApproximation& b) {
  if (!a || !b) return std::nullopt;
  return result_of(a->value * b->value, std::abs(a->value) * b->error +
                                            std::abs(b->value) * a->error + a->error * b->error);
}

MaybeApproximation invert(const MaybeApproximation& a) {
  if (!a || is_zero(*a)) return std::nullopt;
  return result_of(1.0 / a->value, a->error / std::norm(a->value));
}

MaybeApproximation raise(const MaybeApproximation& base, const MaybeApproximation& exponent,
                         const std::optional<Rational>& exact, bool real) {
  if (!base || !exponent) return std::nullopt;
  if (is_zero(*base)) {
    const bool positive = exponent->value.real() > exponent->error && is_real(*exponent);
    return positive && base->error == 0 ? MaybeApproximation(exactly(0)) : std::nullopt;
  }
  const bool negative = is_real(*base) && base->value.real() < 0;
  const bool odd = exact && !exact->is_integer() && exact->denominator % 2 == 1;
  if (negative && odd) return odd_root(*base, *exact);
  const bool integer = is_real(*exponent) && whole(*exponent).has_value();
  if (negative && real && !integer) return std::nullopt;
  const Complex value = is_real(*base) && is_real(*exponent) && (!negative || integer)
                            ? Complex(std::pow(base->value.real(), exponent->value.real()))
                            : std::pow(base->value, exponent->value);
  const double growth =
      std::abs(exponent->value) * (base->error / std::abs(base->value) + kEpsilon) +
      std::abs(std::log(base->value)) * exponent->error;
  return result_of(value, std::abs(value) * growth);
}

MaybeApproximation gamma(const MaybeApproximation& a) {
  const auto n = a ? whole(*a) : std::nullopt;
  if (!n || *n < 0) return std::nullopt;
  const double value = std::tgamma(*n + 1);
  return result_of(value, 16 * kEpsilon * value);
}

MaybeApproximation choose(const MaybeApproximation& n, const MaybeApproximation& k) {
  return multiply(gamma(n), invert(multiply(gamma(k), gamma(add(n, multiply(exactly(-1), k))))));
}

MaybeApproximation apply_function(std::string_view name, std::span<const Approximation> arguments,
                                  bool real) {
  if (arguments.size() == 1) return of_one(name, arguments[0], real);
  if (arguments.empty()) return std::nullopt;
  if (name == "log" && arguments.size() == 2) {
    return multiply(logarithm(arguments[1], real), invert(logarithm(arguments[0], real)));
  }
  if ((name != "max" && name != "min") ||
      !std::all_of(arguments.begin(), arguments.end(), is_real)) {
    return std::nullopt;
  }
  const auto [least, most] = std::minmax_element(
      arguments.begin(), arguments.end(), [](const Approximation& a, const Approximation& b) {
        return a.value.real() < b.value.real();
      });
  return name == "max" ? *most : *least;
}

}  // namespace pith
