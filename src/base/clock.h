// What time it is, and how long something took.
#pragma once

#include <chrono>
#include <functional>

namespace pith {

using Clock = std::chrono::steady_clock;

// Where the time comes from for what acts on it; tests bring their own.
using TimeSource = std::function<Clock::time_point()>;

inline double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

inline double seconds_since(Clock::time_point start) {
  return seconds_between(start, Clock::now());
}

}  // namespace pith
