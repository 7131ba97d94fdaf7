#include "serve/line_log.h"

#include <fmt/format.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace pith {
namespace {

// For the rest of a line that has been begun.
constexpr int kPatienceMs = 100;

}  // namespace

void LineLog::write(std::string_view line) {
  const std::string text = std::string(line) + "\n";
  const std::scoped_lock lock(mutex_);
  if (lost_ > 0 && try_write(fmt::format("{} lines of this log were lost\n", lost_))) lost_ = 0;
  if (lost_ > 0 || !try_write(text)) ++lost_;
}

// What can be written to without waiting takes PIPE_BUF bytes (POSIX, pipe(7)).
bool LineLog::try_write(std::string_view text) {
  int patience = 0;
  while (!text.empty()) {
    pollfd wait = {fd_, POLLOUT, 0};
    if (poll(&wait, 1, patience) <= 0 || (wait.revents & POLLOUT) == 0) return false;
    const ssize_t count = ::write(fd_, text.data(), std::min<size_t>(text.size(), PIPE_BUF));
    if (count < 0) return false;
    text.remove_prefix(static_cast<size_t>(count));
    patience = kPatienceMs;
  }
  return true;
}

}  // namespace pith
