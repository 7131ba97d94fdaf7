// Reads HTTP/1.1 requests from bytes as they come, within limits and strictly: what two
// readers could understand differently is refused. No input or output here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "serve/http_message.h"

namespace pith {

struct HttpLimits {
  size_t head_bytes = size_t{32} << 10;  // request line and headers
  size_t headers = 100;
  size_t body_bytes = size_t{4} << 20;  // after chunks are joined
};

// Why a request is refused: a status and a sentence for the client.
struct HttpFault {
  int status = 400;
  std::string_view what;
};

// One request. Memory: at most head_bytes + body_bytes and some.
class HttpParser {
 public:
  enum class State { head, body, done, failed };

  explicit HttpParser(const HttpLimits& limits) : limits_(limits) {}

  // Takes bytes until the request is whole or refused; returns how many. What follows them
  // belongs to the next request.
  size_t feed(std::string_view bytes);

  State state() const { return state_; }
  bool started() const { return state_ != State::head || !head_.empty(); }
  // The client waits for "100 Continue" before it sends its body.
  bool expects_continue() const { return expects_continue_ && state_ == State::body; }
  const HttpFault& fault() const { return fault_; }        // of State::failed
  const HttpRequest& request() const { return request_; }  // whole in State::done
  HttpRequest take() { return std::move(request_); }

 private:
  enum class Body { length, chunk_size, chunk_data, chunk_end, trailer };

  void fail(int status, std::string_view what);
  size_t feed_head(std::string_view bytes);
  size_t feed_body(std::string_view bytes);
  size_t feed_data(std::string_view bytes);
  size_t feed_line(std::string_view bytes);
  void end_line();
  void begin_chunk(std::string_view line);
  void read_head();
  void read_request_line(std::string_view line);
  void read_header(std::string_view line);
  void read_framing();
  size_t count(std::string_view name) const;

  HttpLimits limits_;
  State state_ = State::head;
  HttpFault fault_;
  HttpRequest request_;
  std::string head_;
  bool http_1_0_ = false;
  bool expects_continue_ = false;
  Body part_ = Body::length;
  size_t left_ = 0;   // bytes of the body or of the chunk
  std::string line_;  // of chunk sizes and trailers
  size_t trailer_bytes_ = 0;
};

}  // namespace pith
