// Cross-fitting by question: each is judged by a head that never saw it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pith {

inline constexpr size_t kHeadFolds = 5;

// What a question is for while fold `test` is judged.
enum class FoldPart { train, validation, test };

// Deals questions to folds by lot, as evenly as can be.
class FoldPlan {
 public:
  FoldPlan(size_t questions, uint64_t seed);

  size_t fold_of(size_t question) const { return folds_[question]; }
  // The fold behind `test` is for choices (penalties, when to stop), the other three to train.
  FoldPart part_of(size_t question, size_t test) const;

 private:
  std::vector<size_t> folds_;  // by question
};

}  // namespace pith
