#include "reason/deadline.h"

#include <algorithm>

namespace pith {
namespace {

// Of the time that is left, for measuring steps beyond the first.
constexpr double kMeasureShare = 0.03;

}  // namespace

DeadlineKeeper::DeadlineKeeper(const Deadline& deadline, const Engine& engine, int32_t done_tokens)
    : deadline_(deadline),
      times_(attention_share(engine.model().config())),
      last_(deadline.now()),
      prompt_done_(done_tokens) {}

void DeadlineKeeper::on_prefill(int32_t done_tokens) {
  const auto now = deadline_.now();
  const int32_t rows = done_tokens - prompt_done_;
  times_.add(rows, prompt_done_ + 0.5 * rows, seconds_between(last_, now));
  prompt_done_ = done_tokens;
  last_ = now;
}

Result<TimePlan> DeadlineKeeper::plan(Engine& engine, const OwnedSequence& prompt, TokenId token,
                                      AdapterId adapter, const PlanLimits& limits,
                                      const AccuracyCurve& curve, DecodeObserver& observer) {
  limits_ = limits;
  const int32_t together =
      limits.parallel > 0 ? std::min(limits.parallel, limits.most_branches) : limits.most_branches;
  PITH_TRY_VOID(measure_steps(engine, prompt, token, adapter, together,
                              kMeasureShare * seconds_left(), deadline_.now, observer, times_));
  return plan_for(seconds_left(), times_, limits, curve);
}

Pace DeadlineKeeper::pace(const WorkAhead& ahead) {
  const auto now = deadline_.now();
  if (work_) times_.add(work_->rows, work_->context_tokens, seconds_between(last_, now));
  last_ = now;
  work_ = ahead;
  const double after_step =
      seconds_between(now, deadline_.at) - times_.seconds(ahead.rows, ahead.context_tokens);
  if (after_step < 0) return Pace::stop;
  const double answers = answer_seconds(times_, limits_, ahead.branches, ahead.context_tokens + 1);
  return after_step < answers ? Pace::answer : Pace::free;
}

}  // namespace pith
