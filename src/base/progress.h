// A progress bar on standard error, drawn only on a live terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace pith {

// "1.04 GiB", "93.8 MiB", "512 B".
std::string format_bytes(uint64_t bytes);

// "8s", "2m05s", "1h07m".
std::string format_duration(double seconds);

enum class ProgressUnit { bytes, share };

// One line that is redrawn in place, at most ten times a second, and cleared by
// the destructor. Used from one thread.
class ProgressBar {
 public:
  // With `quiet`, or where standard error is not a live terminal, nothing is ever drawn.
  ProgressBar(std::string label, ProgressUnit unit, bool quiet);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void set_label(std::string label) { label_ = std::move(label); }

  // `total` 0: not known, so no bar and no time left. A `done` below the last one
  // starts the measurement of speed again.
  void update(double done, double total);

  // Removes the bar from the screen, for a line to be printed; the next update
  // draws it again.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  void draw(double done, double total, Clock::time_point now);

  std::string label_;
  ProgressUnit unit_;
  bool enabled_;
  bool visible_ = false;
  double last_done_ = 0;
  double start_done_ = -1;  // where the measurement of speed began; -1: not yet
  Clock::time_point start_;
  Clock::time_point last_draw_;
};

}  // namespace pith
