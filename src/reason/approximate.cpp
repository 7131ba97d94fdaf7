#include "reason/approximate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "reason/canonical.h"
#include "reason/functions.h"
#include "reason/points.h"

namespace pith {
namespace {

using Op = Expression::Op;

// Errors are bounded generously, so that no rounding makes equal values differ; what
// differs does so by far more.
constexpr double kSlack = 8;
constexpr double kLargestError = 1e-9;  // beside the value, or beside 1

bool has_symbol(const Expression& e, bool (*wanted)(const std::string&)) {
  if (e.op == Op::symbol && wanted(e.name)) return true;
  return std::any_of(e.parts.begin(), e.parts.end(),
                     [&](const Expression& part) { return has_symbol(part, wanted); });
}

bool is_variable(const std::string& name) {
  return name != "pi" && name != "e" && name != "i" && name != "deg";
}

class Evaluator {
 public:
  Evaluator(int point, bool real) : point_(point), real_(real) {}

  MaybeApproximation operator()(const Expression& e) const {
    switch (e.op) {
      case Op::number:
        return number(e);
      case Op::symbol:
        return symbol(e.name);
      case Op::sum:
        return fold(
            e.parts, exactly(0),
            [](const MaybeApproximation& a, const MaybeApproximation& b) { return add(a, b); });
      case Op::product:
        return fold(e.parts, exactly(1),
                    [](const MaybeApproximation& a, const MaybeApproximation& b) {
                      return multiply(a, b);
                    });
      case Op::negate:
        return multiply(exactly(-1), (*this)(e.parts.front()));
      case Op::inverse:
        return invert((*this)(e.parts.front()));
      case Op::power:
        return raise((*this)(e.parts[0]), (*this)(e.parts[1]), written_out(e.parts[1]).number,
                     real_);
      case Op::root:
        return root(e);
      case Op::factorial:
        return gamma((*this)(e.parts.front()));
      case Op::binomial:
        return choose((*this)(e.parts[0]), (*this)(e.parts[1]));
      case Op::call:
        return call(e);
      default:
        return std::nullopt;
    }
  }

 private:
  template <typename Combine>
  MaybeApproximation fold(const std::vector<Expression>& parts, MaybeApproximation result,
                          Combine combine) const {
    for (const Expression& part : parts) {
      if (!result) break;
      result = combine(result, (*this)(part));
    }
    return result;
  }

  static MaybeApproximation number(const Expression& e) {
    if (!e.value) return std::nullopt;
    return rounded(static_cast<double>(e.value->numerator) /
                   static_cast<double>(e.value->denominator));
  }

  MaybeApproximation symbol(const std::string& name) const {
    if (name == "pi") return rounded(std::numbers::pi);
    if (name == "e") return rounded(std::numbers::e);
    if (name == "deg") return rounded(std::numbers::pi / 180);
    if (name == "i") return Approximation{{0, 1}, 0};
    if (name == "inf" || name == "...") return std::nullopt;
    return exactly(real_value(name, point_));
  }

  MaybeApproximation root(const Expression& e) const {
    const auto index = written_out(e.parts[0]).number;
    const auto exponent = index ? divide({1, 1}, *index) : std::nullopt;
    if (!exponent) return std::nullopt;
    return raise((*this)(e.parts[1]), number(make_number(*exponent)), exponent, real_);
  }

  MaybeApproximation call(const Expression& e) const {
    std::vector<Approximation> arguments;
    for (const Expression& part : e.parts) {
      const MaybeApproximation argument = (*this)(part);
      if (!argument) return std::nullopt;
      arguments.push_back(*argument);
    }
    return apply_function(e.name, arguments, real_);
  }

  int point_;
  bool real_;
};

}  // namespace

std::optional<Approximation> approximate(const Expression& expression, int point) {
  const bool complex = has_symbol(expression, [](const std::string& name) { return name == "i"; });
  const bool real = !complex && has_symbol(expression, is_variable);
  const MaybeApproximation result = Evaluator(point, real)(expression);
  if (!result || result->error > kLargestError * std::max(1.0, std::abs(result->value))) {
    return std::nullopt;
  }
  return result;
}

bool close(const Approximation& a, const Approximation& b) {
  constexpr double kRelative = 1e-12;
  const double size = std::max(std::abs(a.value), std::abs(b.value));
  return std::abs(a.value - b.value) <= kSlack * (a.error + b.error) + kRelative * size;
}

}  // namespace pith
