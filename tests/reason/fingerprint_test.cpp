// The values by which expressions are compared.
#include "reason/fingerprint.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "reason/expression.h"
#include "reason/modular.h"

namespace pith {
namespace {

Fingerprint of(const std::string& plain) {
  const auto expression = parse_expression(plain);
  EXPECT_TRUE(expression) << plain;
  return expression ? fingerprint(*expression) : Fingerprint{};
}

uint64_t power_modulo(uint64_t base, uint64_t exponent, int point) {
  uint64_t result = 1;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1) result = multiply_residues(result, base, point);
    base = multiply_residues(base, base, point);
  }
  return result;
}

TEST(Points, ModuliAreDifferentPrimesWithARootOfMinusOne) {
  EXPECT_NE(modular_prime(0), modular_prime(kModularPoints - 1));
  for (int point = 0; point < kModularPoints; ++point) {
    const uint64_t prime = modular_prime(point);
    EXPECT_EQ(prime % 4, 1u);
    // Miller and Rabin's test with bases that decide below 3.3e24.
    for (const uint64_t base : {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41}) {
      uint64_t odd = prime - 1;
      while (odd % 2 == 0) odd /= 2;
      uint64_t x = power_modulo(base, odd, point);
      bool passes = x == 1;
      for (; odd < prime - 1; odd *= 2, x = multiply_residues(x, x, point)) {
        passes = passes || x == prime - 1;
      }
      EXPECT_TRUE(passes) << prime << " to the base " << base;
    }
  }
}

TEST(Points, EveryLetterHasBothSignsAndBothParities) {
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    const std::string name(1, letter);
    bool even = false;
    bool odd = false;
    bool negative = false;
    for (int point = 0; point < kRealPoints; ++point) {
      const double value = real_value(name, point);
      EXPECT_NE(value, 0);
      negative = negative || value < 0;
      if (value != static_cast<int>(value)) continue;
      (static_cast<int>(value) % 2 == 0 ? even : odd) = true;
    }
    EXPECT_TRUE(even && odd && negative) << letter;
  }
}

// Random polynomials: expanded and not, and with one coefficient changed.
TEST(Fingerprint, TellsPolynomialsApart) {
  std::mt19937 random(7);
  for (int i = 0; i < 500; ++i) {
    const auto next = [&] { return std::to_string(1 + random() % 50); };
    const std::string a = next(), b = next(), c = next(), d = next();
    const std::string product = "(" + a + "x+" + b + "y)(" + c + "x-" + d + ")";
    const std::string expanded =
        a + "*" + c + "*x^2-" + a + "*" + d + "*x+" + b + "*" + c + "*x*y-" + b + "*" + d + "*y";
    EXPECT_TRUE(same_value(of(product), of(expanded))) << product << " | " << expanded;
    EXPECT_FALSE(same_value(of(product), of(expanded + "+1"))) << product;
    EXPECT_TRUE(proportional(of(product), of("-3(" + expanded + ")"), /*same_sign=*/false));
    EXPECT_FALSE(proportional(of(product), of("-3(" + expanded + ")"), /*same_sign=*/true));
    EXPECT_TRUE(proportional(of(product), of("3(" + expanded + ")"), /*same_sign=*/true));
  }
}

// The floating-point values agree with identities, and their errors stay small.
TEST(Fingerprint, HoldsForIdentities) {
  const std::pair<const char*, const char*> identities[] = {
      {"sin(2x)", "2sin(x)cos(x)"},
      {"cos(x+y)", "cos(x)cos(y)-sin(x)sin(y)"},
      {"tan(x)", "sin(x)/cos(x)"},
      {"1+tan(x)^2", "sec(x)^2"},
      {"exp(x+y)", "e^x e^y"},
      {"ln(x^3)", "3ln(x)"},
      {"sqrt(x^2+2x+1)", "abs(x+1)"},
      {"root(3;x^3)", "x"},
      {"x^(1/2)", "sqrt(x)"},
      {"arcsin(x)+arccos(x)", "pi/2"},
      {"cosh(x)^2-sinh(x)^2+x", "1+x"},
      {"log_(2)(x)", "ln(x)/ln(2)"},
      {"binom(n;2)", "n(n-1)/2"},
      {"2^(x+3)", "8*2^x"},
      {"floor(7/2)", "3"},
      {"ceil(sqrt(2))", "2"},
      {"max(2,sqrt(5))", "sqrt(5)"},
      {"sqrt(-4)", "2i"},
      {"(1+i)^8", "16"},
  };
  for (const auto& [left, right] : identities) {
    EXPECT_TRUE(same_value(of(left), of(right))) << left << " | " << right;
    EXPECT_FALSE(same_value(of(left), of(std::string(right) + "+1/1000000000"))) << left;
  }
}

TEST(Fingerprint, IsNothingWhereNothingIsDefined) {
  for (const char* undefined : {"1/(x-x)", "ln(0)", "sqrt(-1-x^2)", "inf", "0^(-1)", "arcsin(2)",
                                "(1/2)!", "tan(pi/2)", "10^400+sqrt(2)"}) {
    const Fingerprint print = of(undefined);
    EXPECT_FALSE(print.residues) << undefined;
    for (const auto& value : print.values) EXPECT_FALSE(value) << undefined;
    EXPECT_FALSE(same_value(print, print)) << undefined;
  }
}

}  // namespace
}  // namespace pith
