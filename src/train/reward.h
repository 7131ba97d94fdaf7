// What completions of a group are worth, and how much more than the others of it. Pure
// functions. Rewards with a soft length barrier: arXiv 2603.16867, section 4; advantages
// relative to a group: GRPO, arXiv 2402.03300.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace pith::train {

// Of the length of a completion, all its tokens counted: 1 up to (1 - margin) * budget, 0
// from (1 + margin) * budget on, linear in between.
double length_reward(int64_t tokens, int32_t budget_tokens, double margin);

// Tokens after which a completion is cut off: (1 + margin) * budget.
int32_t hard_limit(int32_t budget_tokens, double margin);

struct Outcome {
  bool right = false;  // it came to its end, with the right answer
  int32_t tokens = 0;
};

// Of each completion of a group: 1 if it is right, times its length_reward() if at least
// `barrier_accuracy` of the group are right (arXiv 2505.18086), else 0.
std::vector<double> group_rewards(std::span<const Outcome> group, int32_t budget_tokens,
                                  double margin, double barrier_accuracy);

// Whether there is anything to learn from them.
bool are_alike(std::span<const double> rewards);

// The places of the `count` rewards that vary most, ascending: some of the best and some of the
// worst. Down-sampling of rollouts (PODS, arXiv 2504.13818). All where `count` is not
// less than there are.
std::vector<size_t> most_varied(std::span<const double> rewards, size_t count);

// r - mean, divided by the standard deviation of the group if that is asked for; Dr.GRPO
// (arXiv 2503.20783) does without.
std::vector<double> group_advantages(std::span<const double> rewards, bool divide_by_deviation);

}  // namespace pith::train
