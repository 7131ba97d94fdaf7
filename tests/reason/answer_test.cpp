// When two answers are the same one.
#include "reason/answer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <string>
#include <vector>

namespace pith {
namespace {

constexpr AnswerKind kNumber = AnswerKind::number;

std::vector<std::string> read_lines(const std::string& name) {
  std::ifstream file(std::string(PITH_TEST_DATA) + "/reason/" + name);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// "1234567" as "1{separator}234{separator}567".
std::string with_separators(const std::string& integer, const std::string& separator) {
  std::string result;
  for (size_t i = 0; i < integer.size(); ++i) {
    const size_t left = integer.size() - i;
    if (i > 0 && integer[i - 1] != '-' && left % 3 == 0) result += separator;
    result += integer[i];
  }
  return result;
}

void expect_equal(const std::string& a, const std::string& b, AnswerKind kind = kNumber) {
  EXPECT_TRUE(equivalent_answers(a, b, kind))
      << a << " = " << canonical_answer(a, kind) << ", " << b << " = " << canonical_answer(b, kind);
  EXPECT_TRUE(equivalent_answers(b, a, kind)) << a << ", " << b;
}

void expect_different(const std::string& a, const std::string& b, AnswerKind kind = kNumber) {
  EXPECT_FALSE(equivalent_answers(a, b, kind))
      << a << " = " << canonical_answer(a, kind) << ", " << b << " = " << canonical_answer(b, kind);
  EXPECT_FALSE(equivalent_answers(b, a, kind)) << a << ", " << b;
}

// Every answer of the gsm8k test set in the ways models write numbers.
TEST(Gsm8kAnswers, AreRecognisedInEveryCommonForm) {
  const auto golds = read_lines("gsm8k_answers.txt");
  ASSERT_EQ(golds.size(), 1319u);
  for (const std::string& written : golds) {
    std::string gold;
    for (const char c : written) {
      if (c != ',') gold += c;
    }
    const std::string canonical = canonical_answer(written, kNumber);
    ASSERT_EQ(canonical, gold) << written;
    const bool integer = gold.find('.') == std::string::npos;
    std::vector<std::string> forms = {gold,
                                      "$" + gold,
                                      gold + " dollars",
                                      gold + " eggs per day",
                                      gold + ".",
                                      " " + gold + " ",
                                      "\\$" + gold,
                                      "\\text{" + gold + "}",
                                      "$" + gold + "$",
                                      "x = " + gold,
                                      gold + "\\text{ cm}^2",
                                      "(" + gold + ")",
                                      gold + "^\\circ",
                                      "+" + gold,
                                      "\\frac{" + gold + "}{1}",
                                      "{" + gold + "}",
                                      gold + " \\text{ hours}",
                                      "\\boxed{" + gold + "}",
                                      gold + "/1"};
    if (integer) {
      forms.insert(forms.end(), {gold + ".00", "0" + gold, with_separators(gold, ","),
                                 with_separators(gold, "{,}"), with_separators(gold, ",\\!"),
                                 "$" + with_separators(gold, ",") + ".00",
                                 with_separators(gold, "\\,"), gold + "e0"});
    }
    for (const std::string& form : forms) {
      if (gold[0] == '-' && (form[0] == '+' || form[0] == '0')) continue;
      EXPECT_EQ(canonical_answer(form, kNumber), canonical) << form;
      EXPECT_TRUE(equivalent_answers(form, written, kNumber)) << form;
    }
  }
}

TEST(Math500Answers, DifferWhereTheyDiffer) {
  const auto golds = read_lines("math500_answers.txt");
  ASSERT_EQ(golds.size(), 500u);
  for (const std::string& gold : golds) {
    const std::string canonical = canonical_answer(gold, kNumber);
    EXPECT_FALSE(canonical.empty()) << gold;
    EXPECT_TRUE(equivalent_answers(gold, gold, kNumber)) << gold;
    EXPECT_TRUE(equivalent_answers("$" + gold + "$", gold, kNumber)) << gold;
    EXPECT_FALSE(equivalent_answers(gold, "987654", kNumber)) << gold;
  }
}

TEST(CanonicalAnswer, Numbers) {
  const std::pair<const char*, const char*> cases[] = {
      {"$1,200.00", "1200"},
      {"1200 dollars", "1200"},
      {"US$ 1,200", "1200"},
      {"€5", "5"},
      {"1,234,567.50", "2469135/2"},
      {"50%", "1/2"},
      {"50\\%", "1/2"},
      {"50 percent", "1/2"},
      {"6.72\\times10^{-5}", "21/312500"},
      {"6.72 x 10^-5", "21/312500"},
      {"6.72e-5", "21/312500"},
      {"1\\frac{4}{5}", "9/5"},
      {"-1\\frac{4}{5}", "-9/5"},
      {"137 \\frac{1}{2}", "275/2"},
      {"2 1/2 cups", "5/2"},
      {"1½", "3/2"},
      {"\\frac34", "3/4"},
      {"\\dfrac{3}{4}", "3/4"},
      {"\\tfrac 3 4", "3/4"},
      {"-\\frac{1}{-2}", "1/2"},
      {"\\frac{\\frac{1}{2}}{3}", "1/6"},
      {"2^{10}", "1024"},
      {"\\sqrt{16}", "4"},
      {"5!", "120"},
      {"1.5 million dollars", "1500000"},
      {"106^\\circ", "106"},
      {"\\frac{270}7\\text{ degrees}", "270/7"},
      {"15\\mbox{ cm}^2", "15"},
      {"60 km/h", "60"},
      {"−3", "-3"},
      {"\\left(5\\right)", "5"},
      {"3 \\cdot 4 + 1", "13"},
      {"x_1 = 5", "5"},
      {"\\text{Profit} = \\$18", "18"},
      {"2 + 3 = 5", "5"},
      {"99999999999999999999999999999999999999999999",
       "99999999999999999999999999999999999999999999"},
      {"10^{100}", "10^100"},
      {"1/0", "1/0"},
  };
  for (const auto& [answer, canonical] : cases) {
    EXPECT_EQ(canonical_answer(answer, kNumber), canonical) << answer;
  }
}

TEST(CanonicalAnswer, Collections) {
  const std::pair<const char*, const char*> cases[] = {
      {"( 3, \\frac{6}{4} )", "(3,3/2)"},
      {"\\left(\\frac{3}{5},\\frac{8}{3}\\right]", "(3/5,8/3]"},
      {"(-\\infty, 2) \\cup (3, \\infty)", "(-inf,2) union (3,inf)"},
      {"(3,\\infty) U (-\\infty,2)", "(-inf,2) union (3,inf)"},
      {"x \\in [-2,7]", "[-2,7]"},
      {"1, -2", "{-2,1}"},
      {"\\{-2, 1\\}", "{-2,1}"},
      {"x = 1 or x = -2", "{-2,1}"},
      {"1 and -2", "{-2,1}"},
      {"(1,200)", "(1,200)"},
      {"1,200", "1200"},
      {"\\begin{pmatrix} 1/5 \\\\ -18/5 \\end{pmatrix}", "matrix[1/5;-18/5]"},
  };
  for (const auto& [answer, canonical] : cases) {
    EXPECT_EQ(canonical_answer(answer, kNumber), canonical) << answer;
  }
}

TEST(CanonicalAnswer, ExpressionsAndWords) {
  const std::pair<const char*, const char*> cases[] = {
      {"\\frac{11+9a}{20}", "(11+9a)/20"},
      {"((11+9a))/20", "(11+9a)/20"},
      {"y = 2x + 3", "2x+3"},
      {"\\frac{-\\pi}{6}", "-pi/6"},
      {"-\\frac{\\pi}{6}", "-pi/6"},
      {"2 \\sqrt{5}", "2sqrt(5)"},
      {"2√5", "2sqrt(5)"},
      {"4210_{5}", "4210_5"},
      {"\\text{Evelyn}", "evelyn"},
      {"Evelyn.", "evelyn"},
      {"\\text{(B)}", "b"},
      {"No Solution", "nosolution"},
  };
  for (const auto& [answer, canonical] : cases) {
    EXPECT_EQ(canonical_answer(answer, kNumber), canonical) << answer;
  }
}

TEST(EquivalentAnswers, APercentageIsItsFractionAndItsNumber) {
  expect_equal("50%", "1/2");
  expect_equal("50%", "50");
  expect_equal("50\\%", "0.5");
  expect_different("0.5", "50");
  expect_different("0.5%", "50%");
  expect_equal("50 cents", "$0.50");
  expect_equal("5.4 \\text{ cents}", "5.4");
}

TEST(EquivalentAnswers, DifferentAnswersStayDifferent) {
  const std::pair<const char*, const char*> cases[] = {{"18", "-18"},
                                                       {"18", "19"},
                                                       {"1/3", "0.33"},
                                                       {"(1,2)", "(2,1)"},
                                                       {"(1,2)", "[1,2]"},
                                                       {"2x", "2y"},
                                                       {"2516_8", "2516_9"},
                                                       {"x^2", "x2"},
                                                       {"3 hours 20 minutes", "3 hours 40 minutes"},
                                                       {"5x", "5"},
                                                       {"10^100", "10^101"},
                                                       {"Evelyn", "Navin"},
                                                       {"\\sqrt{2}", "2"},
                                                       {"", "0"},
                                                       {"{1,2}", "(1,2)"},
                                                       {"1, 2", "12"}};
  for (const auto& [a, b] : cases) expect_different(a, b);
}

TEST(EquivalentAnswers, ChoicesAndVerdicts) {
  for (const char* form : {"B", "b", "(B)", "B.", "B) run", "\\text{B}", "\\boxed{B}", "**B**",
                           "Answer: B", "option B"}) {
    expect_equal(form, "B", AnswerKind::choice);
    EXPECT_EQ(canonical_answer(form, AnswerKind::choice), "B") << form;
  }
  expect_different("A", "B", AnswerKind::choice);
  for (const char* form : {"Yes", "yes.", "\\text{Yes}", "TRUE", "\\boxed{yes}"}) {
    expect_equal(form, "yes", AnswerKind::yes_no);
  }
  expect_equal("False", "No", AnswerKind::yes_no);
  expect_different("yes", "no", AnswerKind::yes_no);
}

// ---- Properties on random answers made of the pieces that answers are made of.

std::string random_answer(std::mt19937& random) {
  static const char* const kPieces[] = {
      "1", "2", "12", "1,000", "0.5", "-",    "+",       "/",       "*",   "^",     "(",
      ")", "[", "]",  "{",     "}",   ",",    " ",       "\\frac",  "x",   "pi",    "\\sqrt",
      "%", "$", "=",  "_",     "!",   "and",  "dollars", "\\text{", "}",   "cents", "U",
      "∞", "½", "²",  "\xff",  "e5",  "x10^", "\\cup",   "\\left(", "\\,", ".",     "million"};
  std::string text;
  const size_t count = 1 + random() % 8;
  for (size_t i = 0; i < count; ++i) text += kPieces[random() % std::size(kPieces)];
  return text;
}

TEST(EquivalentAnswers, IsReflexiveSymmetricAndAgreesWithTheCanonicalForm) {
  std::mt19937 random(1);
  std::string previous = "1";
  for (int i = 0; i < 8000; ++i) {
    const std::string answer = random_answer(random);
    for (const AnswerKind kind : {kNumber, AnswerKind::choice, AnswerKind::yes_no}) {
      ASSERT_TRUE(equivalent_answers(answer, answer, kind)) << answer;
      const bool forwards = equivalent_answers(answer, previous, kind);
      ASSERT_EQ(forwards, equivalent_answers(previous, answer, kind))
          << answer << " | " << previous;
      if (canonical_answer(answer, kind) == canonical_answer(previous, kind)) {
        ASSERT_TRUE(forwards) << answer << " | " << previous;
      }
    }
    previous = answer;
  }
}

TEST(EquivalentAnswers, IsTransitiveWithoutUnitsOfTwoReadings) {
  std::mt19937 random(2);
  std::vector<std::string> answers;
  while (answers.size() < 150) {
    std::string answer = random_answer(random);
    const bool two_readings =
        answer.find('%') != std::string::npos || answer.find("cent") != std::string::npos;
    if (!two_readings) answers.push_back(std::move(answer));
  }
  for (const auto& a : answers) {
    for (const auto& b : answers) {
      if (!equivalent_answers(a, b, kNumber)) continue;
      for (const auto& c : answers) {
        ASSERT_EQ(equivalent_answers(a, c, kNumber), equivalent_answers(b, c, kNumber))
            << a << " | " << b << " | " << c;
      }
    }
  }
}

TEST(CanonicalAnswer, FractionsAgreeWithArithmetic) {
  std::mt19937 random(3);
  for (int i = 0; i < 2000; ++i) {
    const int whole = static_cast<int>(random() % 50);
    const int denominator = 2 + static_cast<int>(random() % 40);
    const int numerator = 1 + static_cast<int>(random() % (denominator - 1));
    const int factor = 1 + static_cast<int>(random() % 9);
    const int improper = whole * denominator + numerator;
    const std::string plain = fmt::format("{}/{}", improper, denominator);
    expect_equal(plain, fmt::format("\\frac{{{}}}{{{}}}", improper * factor, denominator * factor));
    expect_equal(plain, fmt::format("{} {}/{}", whole, numerator, denominator));
    expect_equal("-" + plain, fmt::format("-{}\\frac{{{}}}{{{}}}", whole, numerator, denominator));
    expect_different(plain, fmt::format("{}/{}", improper + 1, denominator));
  }
}

TEST(CanonicalAnswer, HostileInputEndsSoon) {
  const auto repeated = [](const std::string& piece, size_t count) {
    std::string text;
    for (size_t i = 0; i < count; ++i) text += piece;
    return text;
  };
  for (const char* piece : {"{",      "(",          "[",        "\\frac{",
                            "\\sqrt", "\\sqrt{",    "\\boxed{", "-",
                            "^",      "x^",         "1,",       "1+",
                            "a b ",   "\\text{",    "$",        "\\begin{pmatrix}",
                            "9",      "√",          "\\\\",     "1/",
                            "_",      "!",          "(1,",      "and ",
                            "\xff",   " ",          "|",        "\\pm 1",
                            "9^",     "200!^",      "\\sin ",   "x=1,",
                            "1<",     "x_",         "x^(1/3)*", "\\overline{3}",
                            "\\log_", "1e999999999"}) {
    for (const size_t count : {size_t{40}, size_t{700}, size_t{20000}}) {
      const std::string text = repeated(piece, count);
      for (const AnswerKind kind : {kNumber, AnswerKind::choice, AnswerKind::yes_no}) {
        EXPECT_TRUE(equivalent_answers(text, text, kind)) << piece << " x " << count;
        extract_answer(text, kind);
      }
    }
  }
}

}  // namespace
}  // namespace pith
