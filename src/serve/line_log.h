// A log that holds nobody up.
#pragma once

#include <cstdint>
#include <mutex>
#include <string_view>

namespace pith {

// Lines to a file descriptor, which is borrowed. One whose reader does not keep up (a pipe
// that is full) loses lines, and is told how many once it reads again: a server must not
// stand still because of its log. Thread safe.
class LineLog {
 public:
  explicit LineLog(int fd) : fd_(fd) {}

  // `line` has no line break.
  void write(std::string_view line);

 private:
  bool try_write(std::string_view text);

  const int fd_;
  std::mutex mutex_;
  int64_t lost_ = 0;
};

}  // namespace pith
