#include "heads/folds.h"

#include "eval/statistics.h"

namespace pith {

FoldPlan::FoldPlan(size_t questions, uint64_t seed) : folds_(questions) {
  const std::vector<size_t> order = random_order(questions, seed, 0);
  for (size_t i = 0; i < order.size(); ++i) folds_[order[i]] = i % kHeadFolds;
}

FoldPart FoldPlan::part_of(size_t question, size_t test) const {
  const size_t fold = fold_of(question);
  if (fold == test) return FoldPart::test;
  return fold == (test + 1) % kHeadFolds ? FoldPart::validation : FoldPart::train;
}

}  // namespace pith
