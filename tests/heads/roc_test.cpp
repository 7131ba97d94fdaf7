// Areas under curves on rows small enough to count by hand, and folds by question.
#include "heads/roc.h"

#include <gtest/gtest.h>

#include <map>

#include "heads/folds.h"

namespace pith {
namespace {

TEST(Auc, CountsPairsAndHalvesTies) {
  // Positives 0.9, 0.5; negatives 0.5, 0.1: pairs 1, 1, 0.5, 1.
  const std::vector<ScoredRow> rows = {
      {0.9, true, 0}, {0.5, true, 1}, {0.5, false, 0}, {0.1, false, 2}};
  EXPECT_DOUBLE_EQ(auc(rows, 1).value, 3.5 / 4);
  EXPECT_DOUBLE_EQ(auc_within_questions(rows, 1).value, 1);  // question 0 alone has both
}

TEST(Auc, OneClassIsACoin) {
  const std::vector<ScoredRow> rows = {{0.9, true, 0}, {0.5, true, 1}};
  EXPECT_EQ(auc(rows, 1).value, 0.5);
  EXPECT_EQ(auc_within_questions(rows, 1).value, 0.5);
}

TEST(Auc, TheIntervalIsOverQuestions) {
  // Each question is right or wrong as a whole, a hundred times: as certain as two rows.
  std::vector<ScoredRow> rows;
  std::vector<ScoredRow> apart;
  for (size_t i = 0; i < 400; ++i) {
    const double score = i % 4 == 3 ? 0.2 : static_cast<double>(i % 4);
    rows.push_back({score, i % 2 == 0, i % 4});
    apart.push_back({score, i % 2 == 0, i});
  }
  const Estimate together = auc(rows, 1);
  const Estimate each = auc(apart, 1);
  EXPECT_DOUBLE_EQ(together.value, each.value);
  EXPECT_GT(together.high - together.low, 3 * (each.high - each.low));
}

TEST(Auc, TheCurveHasTheArea) {
  std::vector<ScoredRow> rows;
  for (size_t i = 0; i < 300; ++i) {
    rows.push_back({static_cast<double>(i * 37 % 101), i * 37 % 101 + i % 60 > 70, i});
  }
  const auto curve = roc_curve(rows, 1000);
  double area = 0;
  for (size_t i = 1; i < curve.size(); ++i) {
    area += (curve[i].false_positives - curve[i - 1].false_positives) *
            (curve[i].true_positives + curve[i - 1].true_positives) / 2;
  }
  EXPECT_NEAR(area, auc(rows, 1).value, 1e-12);
  EXPECT_EQ(curve.back().true_positives, 1);
  EXPECT_LT(roc_curve(rows, 10).size(), 25u);
}

TEST(FoldPlan, EachQuestionHasOnePartOfEachKind) {
  const FoldPlan folds(23, 7);
  std::map<size_t, int> sizes;
  for (size_t question = 0; question < 23; ++question) {
    std::map<FoldPart, int> parts;
    for (size_t test = 0; test < kHeadFolds; ++test) ++parts[folds.part_of(question, test)];
    EXPECT_EQ(parts[FoldPart::test], 1);
    EXPECT_EQ(parts[FoldPart::validation], 1);
    EXPECT_EQ(parts[FoldPart::train], 3);
    ++sizes[folds.fold_of(question)];
  }
  for (const auto& [fold, size] : sizes) EXPECT_NEAR(size, 4.6, 0.7);
}

}  // namespace
}  // namespace pith
