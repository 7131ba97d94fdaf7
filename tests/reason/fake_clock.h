// A clock that moves on with the steps and tokens that an observer is told of.
#pragma once

#include "reason/decode.h"
#include "reason/step_times.h"

namespace pith::testing {

struct FakeClock : DecodeObserver {
  explicit FakeClock(double step_seconds, double token_seconds = 0)
      : seconds_per_step(step_seconds), seconds_per_token(token_seconds) {}

  Clock::time_point now() const {
    return Clock::time_point(
        std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds)));
  }
  TimeSource source() const {
    return [this] { return now(); };
  }

  // Asked before each step.
  bool cancelled() override {
    if (steps >= cancel_after_steps) return true;
    ++steps;
    seconds += seconds_per_step;
    return false;
  }
  void on_token(size_t, const Branch&, std::string_view) override { seconds += seconds_per_token; }

  double seconds = 0;  // what time it is
  int steps = 0;
  int cancel_after_steps = 1 << 30;
  double seconds_per_step;
  double seconds_per_token;  // that is sampled
};

}  // namespace pith::testing
