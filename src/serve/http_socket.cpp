#include "serve/http_socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>

namespace pith {
namespace {

constexpr size_t kReadBytes = size_t{16} << 10;
constexpr size_t kMostThrownAway = size_t{8} << 20;

// For poll(): rounded up, so that what is waited for has come.
int milliseconds_until(Clock::time_point deadline) {
  const double left = std::ceil(seconds_between(Clock::now(), deadline) * 1000);
  return static_cast<int>(std::clamp(left, 0.0, 1e6));
}

bool try_again(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

HttpSocket::Read HttpSocket::read(std::string& bytes, Clock::time_point deadline, int stop_fd) {
  while (true) {
    std::array<char, kReadBytes> buffer;
    const ssize_t count = recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count > 0) {
      bytes.append(buffer.data(), static_cast<size_t>(count));
      return Read::some;
    }
    if (count == 0 || !try_again(errno)) return Read::closed;
    std::array<pollfd, 2> waits = {{{fd_.get(), POLLIN, 0}, {stop_fd, POLLIN, 0}}};
    const int ready = poll(waits.data(), waits.size(), milliseconds_until(deadline));
    if (ready == 0 && Clock::now() >= deadline) return Read::late;
    if ((waits[1].revents & POLLIN) != 0 && (waits[0].revents & POLLIN) == 0) return Read::stopped;
  }
}

bool HttpSocket::write(std::string_view bytes, Clock::time_point deadline) {
  while (!bytes.empty()) {
    const ssize_t count = send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count >= 0) {
      bytes.remove_prefix(static_cast<size_t>(count));
      continue;
    }
    if (!try_again(errno)) return false;
    pollfd wait = {fd_.get(), POLLOUT, 0};
    if (poll(&wait, 1, milliseconds_until(deadline)) == 0 && Clock::now() >= deadline) return false;
  }
  return true;
}

bool HttpSocket::peer_gone() const {
  pollfd state = {fd_.get(), POLLRDHUP, 0};
  return poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void HttpSocket::finish(Clock::time_point deadline) {
  ::shutdown(fd_.get(), SHUT_WR);
  std::string thrown_away;
  for (size_t count = 0; count < kMostThrownAway; count += thrown_away.size()) {
    thrown_away.clear();
    if (read(thrown_away, deadline) != Read::some) return;
  }
}

void HttpSocket::shut_down() { ::shutdown(fd_.get(), SHUT_RDWR); }

}  // namespace pith
