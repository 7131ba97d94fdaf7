#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>
#include <utility>

#include "base/terminal.h"

namespace pith {
namespace {

constexpr auto kRedrawInterval = std::chrono::milliseconds(100);
constexpr std::string_view kClearLine = "\r\x1b[K";

std::string bar(double share, int cells) {
  const int full = static_cast<int>(std::lround(share * cells));
  std::string out;
  for (int i = 0; i < cells; ++i) out += i < full ? "█" : "░";
  return out;
}

void write_error_stream(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

std::string format_bytes(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  constexpr std::array<const char*, 4> kUnits = {"KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  // 999.5 would print as 1000, one digit more than the column has.
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  const int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, digits, kUnits[unit]);
}

std::string format_duration(double seconds) {
  const int64_t s = std::llround(std::clamp(seconds, 0.0, 3.6e8));
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return fmt::format("{}m{:02}s", s / 60, s % 60);
  return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
}

ProgressBar::ProgressBar(std::string label, ProgressUnit unit, bool quiet)
    : label_(std::move(label)), unit_(unit), enabled_(!quiet && is_live_terminal(STDERR_FILENO)) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::clear() {
  if (!visible_) return;
  write_error_stream(kClearLine);
  visible_ = false;
  last_draw_ = {};
}

void ProgressBar::update(double done, double total) {
  if (!enabled_) return;
  const Clock::time_point now = Clock::now();
  if (start_done_ < 0 || done < last_done_) {
    start_done_ = done;
    start_ = now;
  }
  last_done_ = done;
  if (now - last_draw_ < kRedrawInterval && done < total) return;
  last_draw_ = now;
  draw(done, total, now);
}

void ProgressBar::draw(double done, double total, Clock::time_point now) {
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double speed = seconds > 0.5 ? (done - start_done_) / seconds : 0;
  const bool known = total > 0;
  const double share = known ? std::clamp(done / total, 0.0, 1.0) : 0;

  std::string tail;
  if (known) tail += fmt::format(" {:3.0f}%", std::floor(100 * share));
  if (unit_ == ProgressUnit::bytes) {
    tail += fmt::format("  {}", format_bytes(static_cast<uint64_t>(done)));
    if (known) tail += fmt::format(" / {}", format_bytes(static_cast<uint64_t>(total)));
    if (speed > 0) tail += fmt::format("  {}/s", format_bytes(static_cast<uint64_t>(speed)));
  }
  if (known && speed > 0 && done < total) {
    tail += fmt::format("  {} left", format_duration((total - done) / speed));
  }
  // Label and tail are ASCII; what is left of the line goes to the bar.
  const int room = terminal_columns(STDERR_FILENO) - 1;
  const int cells = room - static_cast<int>(label_.size() + 1 + tail.size());
  std::string line = label_;
  if (known && cells >= 5) line.append(" ").append(bar(share, std::min(cells, 40)));
  line += tail;
  if (cells < 0) line.resize(static_cast<size_t>(std::max(room, 0)));
  write_error_stream(std::string(kClearLine) + line);
  visible_ = true;
}

}  // namespace pith
