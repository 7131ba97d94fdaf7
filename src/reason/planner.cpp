#include "reason/planner.h"

#include <algorithm>

namespace pith {
namespace {

int32_t at_once(const PlanLimits& limits, int32_t branches) {
  return limits.parallel > 0 ? std::min(limits.parallel, branches) : branches;
}

// The largest budget that fits; 0 when none does.
int32_t longest_budget(double seconds, const StepTimes& times, const PlanLimits& limits,
                       int32_t branches) {
  int32_t fits = 0;
  int32_t too_long = limits.most_budget_tokens;
  if (plan_seconds(times, limits, branches, too_long) <= seconds) return too_long;
  while (fits + 1 < too_long) {
    const int32_t middle = fits + (too_long - fits) / 2;
    (plan_seconds(times, limits, branches, middle) <= seconds ? fits : too_long) = middle;
  }
  return fits;
}

}  // namespace

double answer_seconds(const StepTimes& times, const PlanLimits& limits, int32_t branches,
                      double context_tokens) {
  const double closed = context_tokens + limits.closing_tokens;
  // The last token before the closing is read with it.
  double seconds = times.seconds(branches * (limits.closing_tokens + 1), context_tokens) +
                   kPlannedAnswerTokens * times.seconds(branches, closed);
  if (limits.scoring_tokens > 0) seconds += times.seconds(branches * limits.scoring_tokens, closed);
  return seconds;
}

double plan_seconds(const StepTimes& times, const PlanLimits& limits, int32_t branches,
                    int32_t budget_tokens) {
  const int32_t together = at_once(limits, branches);
  const int32_t rounds = (branches + together - 1) / together;
  const double prompt = limits.prompt_tokens;
  // Attention grows evenly with the context, so that its mean stands for all steps.
  const double thinking = budget_tokens * times.seconds(together, prompt + 0.5 * budget_tokens);
  const double answers = answer_seconds(times, limits, together, prompt + budget_tokens);
  return rounds * (thinking + answers) / (1 - kPlanReserve);
}

TimePlan plan_for(double seconds, const StepTimes& times, const PlanLimits& limits,
                  const AccuracyCurve& curve) {
  PITH_CHECK(limits.most_branches >= 1 && limits.most_budget_tokens >= 1);
  TimePlan best{1, 1, 0, curve.accuracy(1, 1)};
  for (int32_t branches = 1; branches <= limits.most_branches; ++branches) {
    const int32_t budget = longest_budget(seconds, times, limits, branches);
    if (budget == 0) break;  // nor do more branches fit
    const double accuracy = curve.accuracy(branches, budget);
    if (branches == 1 || accuracy > best.accuracy) best = {branches, budget, 0, accuracy};
  }
  best.seconds = plan_seconds(times, limits, best.branches, best.budget_tokens);
  return best;
}

}  // namespace pith
