// The groups of a step, ready for its updates.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "train/grpo.h"

namespace pith::train {

TrainColumns grpo_columns(std::span<const int32_t> budgets);

// Of all completions that were drawn, those of dropped groups too.
class DrawFigures {
 public:
  // `budgets`: those of the options.
  explicit DrawFigures(std::span<const int32_t> budgets);

  void add(const Group& group, std::span<const double> rewards, bool dropped);

  // TrainStep::more, with NaN for what is not known here and for a budget that no group had.
  std::vector<double> values() const;

 private:
  struct Sums {
    double completions = 0, rewards = 0, right = 0, tokens = 0;
  };

  std::span<const int32_t> budgets_;
  Sums all_;
  std::vector<Sums> by_budget_;
  double truncated_ = 0;
  double surprise_ = 0;  // sum of -log p over tokens
  double dropped_ = 0;   // groups
};

struct GrpoBatch {
  // Group by group, as many of each; of groups that have something to teach.
  std::vector<Example> examples;
  std::vector<std::vector<float>> old;  // log-probabilities, by example and token
  std::vector<double> advantages;       // by example
  size_t groups = 0;

  void add(Group group, std::span<const double> advantages_of_group);

  // Of `updates` parts, the examples of part `update`: whole groups.
  std::vector<size_t> part(size_t update, size_t updates) const;
};

// The weight of each token of an example in the loss of `chosen`, by example: they are such
// that the loss is the mean that is asked for.
//   `most_tokens`: the most that a completion may have.
std::vector<double> token_weights(const GrpoBatch& batch, const std::vector<size_t>& chosen,
                                  LossMean mean, int32_t most_tokens);

}  // namespace pith::train
