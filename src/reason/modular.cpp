#include "reason/modular.h"

#include <algorithm>
#include <string_view>

#include "reason/canonical.h"
#include "reason/points.h"
#include "reason/scanner.h"

namespace pith {
namespace {

__extension__ typedef unsigned __int128 UInt128;
using Op = Expression::Op;
using Residue = std::optional<uint64_t>;

// Evaluates at one point.
class ModularEvaluator {
 public:
  explicit ModularEvaluator(int point) : point_(point), prime_(modular_prime(point)) {}

  Residue operator()(const Expression& e) const {
    switch (e.op) {
      case Op::number:
        return e.value ? fraction(*e.value) : digits(e.name);
      case Op::symbol:
        return symbol(e.name);
      case Op::sum:
        return fold(e.parts, 0, [this](uint64_t a, uint64_t b) { return (a + b) % prime_; });
      case Op::product:
        return fold(e.parts, 1, [this](uint64_t a, uint64_t b) { return times(a, b); });
      case Op::negate:
        if (const Residue part = (*this)(e.parts.front())) return (prime_ - *part) % prime_;
        return std::nullopt;
      case Op::inverse:
        return inverse((*this)(e.parts.front()));
      case Op::power:
        return raised(e);
      case Op::factorial:
        return factorial(e.parts.front());
      case Op::binomial:
        return binomial(e.parts[0], e.parts[1]);
      default:
        return std::nullopt;
    }
  }

 private:
  uint64_t times(uint64_t a, uint64_t b) const {
    return static_cast<uint64_t>(UInt128{a} * b % prime_);
  }

  template <typename Combine>
  Residue fold(const std::vector<Expression>& parts, uint64_t result, Combine combine) const {
    for (const Expression& part : parts) {
      const Residue next = (*this)(part);
      if (!next) return std::nullopt;
      result = combine(result, *next);
    }
    return result;
  }

  uint64_t power(uint64_t base, uint64_t exponent) const {
    uint64_t result = 1;
    for (; exponent > 0; exponent /= 2) {
      if (exponent % 2 == 1) result = times(result, base);
      base = times(base, base);
    }
    return result;
  }

  // By Fermat's little theorem.
  Residue inverse(Residue a) const {
    if (!a || *a == 0) return std::nullopt;
    return power(*a, prime_ - 2);
  }

  Residue fraction(const Rational& value) const {
    const Int128 prime = static_cast<Int128>(prime_);
    const auto numerator = static_cast<uint64_t>((value.numerator % prime + prime) % prime);
    const Residue below = inverse(static_cast<uint64_t>(value.denominator % prime));
    return below ? Residue(times(numerator, *below)) : std::nullopt;
  }

  // A number that does not fit: "123..", "1.5e400".
  Residue digits(std::string_view text) const {
    uint64_t mantissa = 0;
    int64_t shift = 0;
    bool point = false;
    size_t i = 0;
    for (; i < text.size() && (is_digit(text[i]) || (text[i] == '.' && !point)); ++i) {
      if (text[i] == '.') {
        point = true;
        continue;
      }
      mantissa = (times(mantissa, 10) + static_cast<uint64_t>(text[i] - '0')) % prime_;
      shift -= point ? 1 : 0;
    }
    if (i < text.size()) {
      const auto exponent = text[i] == 'e' ? parse_exponent(text.substr(i + 1)) : std::nullopt;
      if (!exponent) return std::nullopt;
      shift += *exponent;
    }
    const uint64_t scale = power(10, static_cast<uint64_t>(shift < 0 ? -shift : shift));
    const Residue factor = shift < 0 ? inverse(scale) : Residue(scale);
    return factor ? Residue(times(mantissa, *factor)) : std::nullopt;
  }

  static std::optional<int64_t> parse_exponent(std::string_view text) {
    constexpr size_t kMostDigits = 15;
    const bool negative = !text.empty() && text[0] == '-';
    if (!text.empty() && !is_digit(text[0])) text.remove_prefix(1);
    if (text.empty() || text.size() > kMostDigits) return std::nullopt;
    int64_t value = 0;
    for (const char c : text) {
      if (!is_digit(c)) return std::nullopt;
      value = value * 10 + (c - '0');
    }
    return negative ? -value : value;
  }

  Residue symbol(const std::string& name) const {
    if (name == "i") return imaginary_unit();
    if (name == "inf" || name == "deg" || name == "...") return std::nullopt;
    return modular_value(name, point_);
  }

  // A number that does not become 1 when squared (p - 1) / 2 times over has a power
  // whose square is -1.
  Residue imaginary_unit() const {
    for (uint64_t base = 2;; ++base) {
      const uint64_t root = power(base, (prime_ - 1) / 4);
      if (times(root, root) == prime_ - 1) return root;
    }
  }

  Residue raised(const Expression& e) const {
    const Residue base = (*this)(e.parts[0]);
    const auto exponent = written_out(e.parts[1]).number;
    if (!base || !exponent || !exponent->is_integer()) return std::nullopt;
    const Int128 n = exponent->numerator;
    if (*base == 0 && n <= 0) return std::nullopt;
    const Int128 order = static_cast<Int128>(prime_ - 1);
    return power(*base, static_cast<uint64_t>((n % order + order) % order));
  }

  static std::optional<uint64_t> small_integer(const Expression& e) {
    constexpr Int128 kMost = 200;
    const auto value = written_out(e).number;
    const bool small =
        value && value->is_integer() && value->numerator >= 0 && value->numerator <= kMost;
    return small ? std::optional(static_cast<uint64_t>(value->numerator)) : std::nullopt;
  }

  Residue factorial(const Expression& e) const {
    const auto n = small_integer(e);
    if (!n) return std::nullopt;
    uint64_t result = 1;
    for (uint64_t i = 2; i <= *n; ++i) result = times(result, i);
    return result;
  }

  Residue binomial(const Expression& upper, const Expression& lower) const {
    const auto n = small_integer(upper);
    const auto k = small_integer(lower);
    if (!n || !k) return std::nullopt;
    if (*k > *n) return 0;
    uint64_t above = 1;
    uint64_t below = 1;
    for (uint64_t i = 1; i <= *k; ++i) {
      above = times(above, *n - *k + i);
      below = times(below, i);
    }
    return times(above, *inverse(below));
  }

  int point_;
  uint64_t prime_;
};

}  // namespace

std::optional<uint64_t> residue(const Expression& expression, int point) {
  return ModularEvaluator(point)(expression);
}

uint64_t multiply_residues(uint64_t a, uint64_t b, int point) {
  return static_cast<uint64_t>(UInt128{a} * b % modular_prime(point));
}

}  // namespace pith
