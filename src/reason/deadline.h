// Keeps the deadline of a question: plans for the time that is left once its prompt has been
// read, and sees to it that branches answer in time, however long steps really take.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "engine/engine.h"
#include "reason/decode.h"
#include "reason/pack.h"
#include "reason/planner.h"
#include "reason/step_times.h"

namespace pith {

struct Deadline {
  Clock::time_point at;
  TimeSource now = Clock::now;
  std::vector<PackResult> results;  // to plan by, of all modes and votes
};

// For one question; borrows the deadline. Not thread safe.
class DeadlineKeeper {
 public:
  // `done_tokens` of the prompt are there already.
  DeadlineKeeper(const Deadline& deadline, const Engine& engine, int32_t done_tokens = 0);

  // After each step of the prompt, which was begun when this was made.
  void on_prefill(int32_t done_tokens);

  // Behind the prompt: measures a few steps with forks of it (measure_steps), in
  // kMeasureShare of the time that is left, and plans. The engine's last step is one of
  // these. Errors: those of measure_steps.
  Result<TimePlan> plan(Engine& engine, const OwnedSequence& prompt, TokenId token,
                        AdapterId adapter, const PlanLimits& limits, const AccuracyCurve& curve,
                        DecodeObserver& observer);

  // Before each step of the plan's branches. `answer` once a step more would leave less
  // than their answers take, `stop` once a step more would end too late.
  Pace pace(const WorkAhead& ahead);

 private:
  double seconds_left() const { return seconds_between(deadline_.now(), deadline_.at); }

  const Deadline& deadline_;
  StepTimes times_;
  PlanLimits limits_;
  Clock::time_point last_;         // end of the last step that is known of
  int32_t prompt_done_;            // tokens read
  std::optional<WorkAhead> work_;  // of the step that is being done
};

}  // namespace pith
