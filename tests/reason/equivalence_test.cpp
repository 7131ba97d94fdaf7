// Which answers are the same: pairs that were judged by others, and what each kind of
// answer is compared by.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "reason/answer.h"
#include "reason/vote.h"

namespace pith {
namespace {

bool same(const std::string& a, const std::string& b) {
  const bool result = equivalent_answers(a, b, AnswerKind::number);
  EXPECT_EQ(result, equivalent_answers(b, a, AnswerKind::number)) << a << " | " << b;
  return result;
}

struct Pair {
  const char* a;
  const char* b;
};

void expect_same(std::initializer_list<Pair> pairs) {
  for (const auto& [a, b] : pairs) EXPECT_TRUE(same(a, b)) << a << " | " << b;
}

void expect_different(std::initializer_list<Pair> pairs) {
  for (const auto& [a, b] : pairs) EXPECT_FALSE(same(a, b)) << a << " | " << b;
}

// tools/reference/make_answer_goldens.py
TEST(Equivalence, PairsOfTheDataSets) {
  std::ifstream file(std::string(PITH_TEST_DATA) + "/reason/answer_pairs.jsonl");
  int count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    const auto pair = nlohmann::json::parse(line);
    const std::string gold = pair.at("gold");
    const std::string answer = pair.at("answer");
    EXPECT_EQ(same(gold, answer), pair.at("same").get<bool>()) << line;
  }
  EXPECT_GT(count, 300);
}

TEST(Equivalence, RationalFunctionsAreComparedExactly) {
  expect_same({{"k^3 + (k+1)^3", "2k^3 + 3k^2 + 3k + 1"},
               {"\\frac{x^2-1}{x-1}", "x+1"},
               {"2^{4950}", "\\frac{2^{4951}}{2}"},
               {"1e400", "10^{400}"},
               {"\\frac{1}{1+i}", "\\frac{1-i}{2}"},
               {"2\\pi + 3\\pi", "5\\pi"},
               {"\\binom{10}{3}", "120"},
               {"xy", "y x"}});
  expect_different({{"2^{4950}", "2^{4950}+1"},
                    {"x^{20}", "x^{20}+1"},
                    {"R^2 - r^2", "r^2 - R^2"},
                    {"1e999999999", "1e999999998"},
                    {"99999999999999999999999999999999999999999999",
                     "99999999999999999999999999999999999999999998"},
                    {"\\pi", "3.14"},
                    {"2x", "2y"}});
}

TEST(Equivalence, OtherExpressionsAreComparedByTheirValues) {
  expect_same({{"\\frac{\\sqrt{3}}{3}", "\\frac{1}{\\sqrt{3}}"},
               {"\\sqrt{50}", "5\\sqrt2"},
               {"\\sin^2 x + \\cos^2 x", "1"},
               {"\\log_2 8", "3"},
               {"\\ln x + \\ln y", "\\ln(xy)"},
               {"\\sqrt[3]{-8}", "-2"},
               {"\\sqrt{x^2}", "|x|"},
               {"e^{i\\pi}", "-1"},
               {"2\\cos 15^\\circ", "\\frac{\\sqrt{6}+\\sqrt{2}}{2}"},
               {"\\arctan 1", "\\frac{\\pi}{4}"},
               {"n!", "n(n-1)!"},
               {"(-1)^n", "(-1)^{n+2}"}});
  expect_different({{"\\sqrt{x^2}", "x"},
                    {"\\sqrt{2}+\\sqrt{3}", "\\sqrt{5}"},
                    {"(-1)^n", "1"},
                    {"\\sin x", "\\cos x"},
                    {"2^x", "x^2"},
                    {"10^{-15}\\pi", "2 \\cdot 10^{-15}\\pi"},
                    {"10^{-15}\\sqrt2", "0"}});
}

TEST(Equivalence, PointsWhereNothingIsDefinedProveNothing) {
  expect_different({{"\\frac{1}{x-x}", "\\frac{1}{y-y}"},
                    {"\\frac{1}{0}", "\\frac{2}{0}"},
                    {"\\ln(-x^2)", "\\ln(-x^4)"},
                    {"\\sqrt{-1-x^2}", "\\sqrt{-2-x^2}"},
                    {"0^0", "1"},
                    {"\\infty", "2\\infty"},
                    {"\\tan 90^\\circ", "\\infty"}});
}

TEST(Equivalence, DecimalsForWhatNoDecimalCanWrite) {
  expect_same({{"\\frac{1}{3}", "0.333333"},
               {"\\sqrt{2}", "1.414214"},
               {"\\sqrt{2}", "1.414213"},
               {"-\\frac{2}{3}", "-0.66666667"},
               {"0.\\overline{3}", "\\frac{1}{3}"},
               {"0.1\\overline{36}", "\\frac{3}{22}"},
               {"0.333...", "\\frac{1}{3}"}});
  expect_different({{"\\frac{1}{3}", "0.33333"},
                    {"\\sqrt{2}", "1.414216"},
                    {"\\frac{1}{2}", "0.500001"},
                    {"x", "0.123456"},
                    {"0.\\overline{3}", "0.3"}});
}

TEST(Equivalence, EquationsAndInequalities) {
  expect_same({{"y = 2x + 3", "2x - y + 3 = 0"},
               {"y = 2x + 3", "2x + 3"},
               {"x^2 + y^2 = 1", "2x^2 + 2y^2 = 2"},
               {"x + y < 1", "1 > x + y"},
               {"x > 2", "(2, \\infty)"},
               {"2 < x", "x > 2"},
               {"-2 \\le x < 7", "[-2, 7)"},
               {"x < -2 \\text{ or } x \\geq 2", "(-\\infty,-2) \\cup [2,\\infty)"},
               {"f(x) = x^2", "x^2"},
               {"(x, y) = (1, 2)", "(1, 2)"}});
  expect_different({{"x > 2", "x < 2"},
                    {"x > 2", "x \\ge 2"},
                    {"x + y < 1", "x + y > 1"},
                    {"x + y < 1", "x + y \\le 1"},
                    {"x + y = 1", "x + y = 2"},
                    {"x^2 + y^2 = 1", "x^2 + y^2 = -1"}});
}

TEST(Equivalence, NamedValuesKeepTheirNames) {
  expect_same({{"x = 1, y = 2", "y = 2, x = 1"}, {"x = 1, y = 2", "(1, 2)"}, {"x = 5", "5"}});
  expect_different({{"x = 1, y = 2", "x = 2, y = 1"}});
}

TEST(Equivalence, Collections) {
  expect_same({{"1 \\pm \\sqrt{5}", "1 - \\sqrt5, 1 + \\sqrt5"},
               {"\\pm 2", "\\{-2, 2\\}"},
               {"\\{\\frac{\\sqrt2}{2}, 1\\}", "1, \\frac{1}{\\sqrt{2}}"},
               {"(3, -1)", "[3, -1]"},
               {"(1, 2, 3)", "[1, 2, 3]"},
               {"(4\\sqrt{3}, \\frac{\\pi}{6})", "[4\\sqrt{3}, \\frac{\\pi}{6}]"},
               {"(x^2-1, 2)", "((x-1)(x+1), 2)"},
               {"\\emptyset", "\\{\\}"},
               {"-\\begin{pmatrix} 1 \\\\ -2 \\end{pmatrix}",
                "\\frac{1}{2} \\begin{pmatrix} -2 \\\\ 4 \\end{pmatrix}"},
               {"\\begin{bmatrix} 1 & 2 \\\\ 3 & 4 \\end{bmatrix}",
                "\\begin{pmatrix} 1 & 2 \\\\ 3 & \\sqrt{16} \\end{pmatrix}"}});
  expect_different(
      {{"(1, 2)", "[1, 2]"},
       {"\\{1, 2\\}", "\\{1, 3\\}"},
       {"\\{1, 2\\}", "\\{1, 2, 3\\}"},
       {"\\begin{pmatrix} 1 & 2 \\end{pmatrix}", "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}"},
       {"\\pm 2", "2"}});
}

TEST(Equivalence, WordsAndUnits) {
  expect_same({{"8\\sqrt{3} \\text{ square inches}", "8 \\sqrt 3"},
               {"15 \\text{ m/s}", "15"},
               {"\\text{No solution}", "no solution"},
               {"2516_8", "2516"},
               {"0.0011_2", "0.0011"},
               {"x \\approx 2.5", "2.5"},
               {"\\frac{1}{2} s(2 - t)", "s(1 - \\frac{t}{2})"},
               {"10x \\sqrt{21x}", "10x\\sqrt{21x}"},
               {"2516_8", "2516_{8}"}});
  expect_different({{"\\text{Monday morning}", "\\text{Monday}"},
                    {"\\text{east}", "\\text{seat}"},
                    {"2516_8", "2516_9"}});
}

TEST(Equivalence, HoldsAcrossAVoteOfManyBranches) {
  std::vector<Ballot> ballots;
  for (int i = 0; i < 128; ++i) {
    std::string chain = "x";
    for (int j = 0; j < 120; ++j) chain += "+x^{" + std::to_string(i % 4) + "/3}";
    ballots.push_back({chain + (i % 2 == 0 ? "+1" : "+2-1"), 0});
    ballots.push_back({i % 2 == 0 ? "\\frac{\\sqrt{3}}{3}" : "\\frac{1}{\\sqrt{3}}", 0});
  }
  const auto groups = weighted_vote(ballots, AnswerKind::number);
  ASSERT_EQ(groups.size(), 5u);
  EXPECT_EQ(groups[0].members.size(), 128u);
  for (size_t i = 1; i < groups.size(); ++i) EXPECT_EQ(groups[i].members.size(), 32u);
}

}  // namespace
}  // namespace pith
