// A client that sends bytes as they are, however wrong.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "base/file.h"

namespace pith {

struct RawResponse {
  int status = 0;  // 0: the connection ended without an answer
  std::string head;
  std::string body;  // chunks joined
  bool whole = false;

  bool has_header(std::string_view line) const { return head.find(line) != head.npos; }
};

class RawClient {
 public:
  // `from`: the address it comes from; all of 127.0.0.0/8 are this machine's.
  explicit RawClient(const std::string& url, const char* from = "127.0.0.1")
      : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    inet_pton(AF_INET, from, &address.sin_addr);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    address.sin_port =
        htons(static_cast<uint16_t>(std::atoi(url.substr(url.rfind(':') + 1).c_str())));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }

  // As much as the other side takes.
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(count));
    }
  }
  void end_writing() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }

  // Until something came or the connection ended (false); at most a minute: only a hang takes
  // longer.
  bool receive() {
    pollfd wait = {fd_.get(), POLLIN, 0};
    char buffer[4096];
    if (poll(&wait, 1, 60000) <= 0) return false;
    const ssize_t count = recv(fd_.get(), buffer, sizeof(buffer), 0);
    if (count <= 0) return false;
    bytes_.append(buffer, static_cast<size_t>(count));
    return true;
  }

  // The next answer, as far as it comes.
  RawResponse response() {
    RawResponse out;
    size_t end = 0;
    while ((end = bytes_.find("\r\n\r\n")) == bytes_.npos) {
      if (!receive()) return out;
    }
    out.head = bytes_.substr(0, end + 2);
    bytes_.erase(0, end + 4);
    out.status = std::atoi(out.head.substr(9, 3).c_str());
    const size_t length = out.head.find("Content-Length: ");
    if (out.status == 204 || out.status == 304) {  // have no body
      out.whole = true;
    } else if (length != out.head.npos) {
      const size_t count = std::strtoull(out.head.c_str() + length + 16, nullptr, 10);
      while (bytes_.size() < count && receive()) {
      }
      out.whole = bytes_.size() >= count;
      out.body = bytes_.substr(0, count);
      bytes_.erase(0, count);
    } else if (out.has_header("Transfer-Encoding: chunked")) {
      out.whole = read_chunks(out.body);
    } else {
      while (receive()) {
      }
      out.body = std::move(bytes_);
      bytes_.clear();
      out.whole = true;
    }
    return out;
  }

  std::string& bytes() { return bytes_; }

 private:
  bool read_chunks(std::string& body) {
    while (true) {
      size_t line = 0;
      while ((line = bytes_.find("\r\n")) == bytes_.npos) {
        if (!receive()) return false;
      }
      const size_t size = std::strtoull(bytes_.c_str(), nullptr, 16);
      while (bytes_.size() < line + 2 + size + 2) {
        if (!receive()) return false;
      }
      body += bytes_.substr(line + 2, size);
      bytes_.erase(0, line + 2 + size + 2);
      if (size == 0) return true;
    }
  }

  UniqueFd fd_;
  std::string bytes_;
};

}  // namespace pith
