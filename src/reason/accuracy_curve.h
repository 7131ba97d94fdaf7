// How often an answer is right, by the number of branches and their budget: from a few
// measured points. Immutable.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "reason/pack.h"

namespace pith {

// Between measured points the accuracy follows three rules:
//  - A branch comes to its end within b tokens with a chance of b^3 / (b^3 + m^3), where m is
//    the mean length of branches.
//  - One that is cut off guesses. A guess is right kGuessShare as often as a single branch
//    that comes to its end, and a vote does not make guesses better.
//  - With branches that come to their end a vote of n gains (n - 1)^2 / ((n - 1)^2 + 7) of
//    what one of endlessly many does: that of two hardly anything.
// Beyond the largest point of either kind nothing is gained, and a point that is worse than
// one with less counts as that one.
class AccuracyCurve {
 public:
  // Points of several tasks: the mean over the tasks. No points: the curve of the default
  // model on grade school mathematics (README.md).
  explicit AccuracyCurve(std::span<const PackResult> points);

  // 0 to 1; both 1 or more (CHECKed). Falls with neither of them.
  double accuracy(int32_t branches, int32_t budget_tokens) const;

 private:
  struct Task {
    double mean_tokens;                                     // of a branch
    std::map<int32_t, std::map<int32_t, double>> measured;  // by branches, by budget
  };

  static void add_single_branch(Task& task);
  static double accuracy(const Task& task, int32_t branches, int32_t budget_tokens);

  std::vector<Task> tasks_;
};

// The points that speak for a question which is asked like this: those of the mode, and of
// the vote or of one branch. Names as in PackResult.
std::vector<PackResult> results_for(std::span<const PackResult> results, std::string_view mode,
                                    std::string_view vote);

}  // namespace pith
