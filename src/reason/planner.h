// How many branches, and of what length, fit into the time that is left: the plan from
// which the answer is most likely right. Pure functions.
#pragma once

#include <cstdint>

#include "reason/accuracy_curve.h"
#include "reason/step_times.h"

namespace pith {

// Sampled tokens of a forced answer that are waited for: numbers and short formulas take
// fewer. One that is longer is cut off when the time is up.
inline constexpr int32_t kPlannedAnswerTokens = 10;

// Plans leave this share of the time free: steps do not all take the same time.
inline constexpr double kPlanReserve = 0.05;

// What the plan is for. Tokens are those of one branch.
struct PlanLimits {
  int32_t most_branches = 1;       // 1 or more
  int32_t most_budget_tokens = 1;  // 1 or more
  int32_t parallel = 0;            // branches at once; 0: all
  int32_t prompt_tokens = 0;
  int32_t closing_tokens = 0;  // that are read before a forced answer
  int32_t scoring_tokens = 0;  // that are read once it has ended, for a score
};

struct TimePlan {
  int32_t branches = 1;
  int32_t budget_tokens = 1;
  double seconds = 0;   // that it takes if every branch uses its budget up and is then asked
  double accuracy = 0;  // by the curve
};

// Of forced answers of `branches` branches at once, their closing and scoring included, when
// each holds `context_tokens` before.
double answer_seconds(const StepTimes& times, const PlanLimits& limits, int32_t branches,
                      double context_tokens);

// Of everything from the prompt's end on.
double plan_seconds(const StepTimes& times, const PlanLimits& limits, int32_t branches,
                    int32_t budget_tokens);

// Of the plans that fit into `seconds` the most accurate; of equals the one with fewest
// branches, and of these the one with the largest budget. When nothing fits: one branch,
// a budget of one token. More seconds never give less accuracy.
TimePlan plan_for(double seconds, const StepTimes& times, const PlanLimits& limits,
                  const AccuracyCurve& curve);

}  // namespace pith
