// A connection's bytes, with deadlines.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/file.h"

namespace pith {

// Owns a connected socket, which does not block. One thread but for shut_down().
class HttpSocket {
 public:
  enum class Read { some, closed, late, stopped };

  explicit HttpSocket(UniqueFd fd) : fd_(std::move(fd)) {}

  // Appends what has come. Waits for it until the deadline, or, where `stop_fd` is not -1,
  // until that can be read.
  Read read(std::string& bytes, Clock::time_point deadline, int stop_fd = -1);
  // All of it; false when the client is gone or does not take it in time.
  bool write(std::string_view bytes, Clock::time_point deadline);
  // Whether the other side has ended the connection, or its half of it.
  bool peer_gone() const;
  // Ends our half and gives the client until the deadline to read it: a socket that is closed
  // while there are bytes to be read takes what was written with it.
  void finish(Clock::time_point deadline);
  // Makes all of the above return soon. From any thread.
  void shut_down();

 private:
  UniqueFd fd_;
};

}  // namespace pith
