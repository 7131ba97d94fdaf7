// Where in a solution the answer stands.
#include <gtest/gtest.h>

#include <string>

#include "reason/answer.h"

namespace pith {
namespace {

struct Case {
  const char* solution;
  const char* answer;  // nullptr: none
};

void expect_answers(std::initializer_list<Case> cases, AnswerKind kind) {
  for (const auto& [solution, answer] : cases) {
    const auto found = extract_answer(solution, kind);
    ASSERT_EQ(found.has_value(), answer != nullptr) << solution << " -> " << found.value_or("none");
    if (answer == nullptr) continue;
    EXPECT_EQ(*found, answer) << solution;
  }
}

TEST(ExtractNumber, BoxesComeFirst) {
  expect_answers(
      {
          {"so \\boxed{18}. The answer is 20", "18"},
          {"\\boxed{3} no, \\boxed{4}", "4"},
          {"\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"},
          {"$\\boxed{\\text{18 dollars}}$", "18 dollars"},
          {"\\fbox{\\$1{,}200}", "\\$1{,}200"},
          {"\\boxed{\\boxed{7}} and then \\boxed{ }", "7"},
          {"\\boxed{ \\{1, 2\\} }", "\\{1, 2\\}"},
          {"\\boxed 5", "5"},
          {"\\boxed{\\text{Janet makes } 18}", "18"},
          {"\\boxed{3 hours 20 minutes}", "3 hours 20 minutes"},
          {"\\boxed{a = {b}\n\nSo the \\boxed{9}", "9"},
      },
      AnswerKind::number);
}

TEST(ExtractNumber, AnOpenBoxIsBetterThanNone) {
  expect_answers(
      {
          {"Therefore, the final answer is \\boxed{18", "18"},
          {"\\boxed{18} and \\boxed{20", "18"},
          {"5 apples. \\boxed{", "5"},
      },
      AnswerKind::number);
}

TEST(ExtractNumber, Statements) {
  expect_answers(
      {
          {"The answer is 18.", "18"},
          {"The answer is 18. That is 3 more than 15.", "18"},
          {"The answer is 20. No: the answer is 18.", "18"},
          {"**Answer:** 18 dollars", "18 dollars"},
          {"Final Answer: $x = 5$", "x = 5"},
          {"### Final answer\n\n42 eggs", "42 eggs"},
          {"The answer is **42**.", "42"},
          {"The answer is: $\\frac{3}{4}$.", "\\frac{3}{4}"},
          {"The answer is \\(\\frac{3}{4}\\), as 1/4 is left.", "\\frac{3}{4}"},
          {"The answer to the second question is 3.5 hours.", "3.5 hours"},
          {"Thus, the answer is that Janet makes $18 every day.", "$18"},
          {"The answer is 18, because 3 + 15 is 18.", "18"},
          {"The answer is $18.", "$18"},
          {"The answer is Evelyn.", "Evelyn"},
          {"#### 1,200", "1,200"},
          {"#### -5\n", "-5"},
          {"#### Step 3: Add. It is 55.", "55"},
          {"I don't know the answer. 3", "3"},
      },
      AnswerKind::number);
}

TEST(ExtractNumber, LastNumber) {
  expect_answers(
      {
          {"So she makes $18 every day.", "$18"},
          {"It costs -$5.50", "-$5.50"},
          {"It is 7 - 3 = -4", "-4"},
          {"7-3", "3"},
          {"that is 50\\%.", "50\\%"},
          {"3/4 of it", "3/4"},
          {"so $\\frac{3}{4}$.", "\\frac{3}{4}"},
          {"so $-\\dfrac{3}{4}$.", "-\\dfrac{3}{4}"},
          {"area is 15 cm^2", "15"},
          {"area is 15 cm$^{2}$", "15"},
          {"2^10", "2^10"},
          {"12 of H2O and x_1", "12"},
          {"1,234.5 in all.", "1,234.5"},
          {"no number", nullptr},
          {"", nullptr},
      },
      AnswerKind::number);
}

TEST(ExtractChoice, ManyForms) {
  expect_answers(
      {
          {"\\boxed{B}", "B"},
          {"\\boxed{\\text{(C) eggs}}", "C"},
          {"\\boxed{5}, so D", "D"},
          {"The answer is (B) run.", "B"},
          {"Answer: B", "B"},
          {"Answer: **C. a garden**", "C"},
          {"the correct answer is C: apples", "C"},
          {"So the answer is option d) or rather (d).", "d"},
          {"B", "B"},
          {"(b)", "b"},
          {"B) run", "B"},
          {"**B**", "B"},
          {"(A) is wrong, so (B)", "B"},
          {"A dog runs. I run. So the correct choice is E", "E"},
          {"I think A dog is option D.", "D"},
          {"We know. I say J", "J"},
          {"I don't know", nullptr},
          {"K", nullptr},
      },
      AnswerKind::choice);
}

TEST(ExtractYesNo, ManyForms) {
  expect_answers(
      {
          {"Yes", "Yes"},
          {"No, because yes is wrong", "No"},
          {"The answer is yes.", "yes"},
          {"\\boxed{\\text{True}}", "True"},
          {"There is no reason to doubt it: yes.", "yes"},
          {"Hence: **No**.", "No"},
          {"So the statement is false", "false"},
          {"I know nothing of yesterday", nullptr},
      },
      AnswerKind::yes_no);
}

}  // namespace
}  // namespace pith
