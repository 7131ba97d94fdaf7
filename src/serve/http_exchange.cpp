#include "serve/http_exchange.h"

#include <fmt/format.h>

#include <chrono>
#include <ctime>

namespace pith {
namespace {

Clock::time_point in_seconds(double seconds) {
  return Clock::now() +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7).
std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  gmtime_r(&now, &parts);
  char text[40];
  return {text, std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

}  // namespace

// Without what says how long the body is, and without its last line.
std::string HttpExchange::head(const HttpResponse& response) const {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status,
                                status_text(response.status), http_date());
  if (!response.content_type.empty()) {
    out += fmt::format("Content-Type: {}\r\n", response.content_type);
  }
  for (const auto* headers : {&response.headers, &extra_}) {
    for (const HttpHeader& header : *headers) {
      out += fmt::format("{}: {}\r\n", header.name, header.value);
    }
  }
  if (!keep_alive_ || !request_.keep_alive) out += "Connection: close\r\n";
  return out;
}

void HttpExchange::send(std::string_view bytes) {
  if (!failed_) failed_ = !socket_->write(bytes, in_seconds(write_s_));
}

void HttpExchange::respond(const HttpResponse& response) {
  status_ = response.status;
  std::string out = head(response);
  // Of 304 it would be the length of what is not sent.
  if (response.status != 204 && response.status != 304) {
    out += fmt::format("Content-Length: {}\r\n", response.body.size());
  }
  out += "\r\n";
  if (request_.method != "HEAD") out += response.body;
  send(out);
}

void HttpExchange::begin(const HttpResponse& response) {
  status_ = response.status;
  streaming_ = true;
  // Who keeps no connection alive may be too old to know chunks: the end is the end.
  chunked_ = keep_alive_ && request_.keep_alive;
  send(head(response) + (chunked_ ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n"));
}

bool HttpExchange::write(std::string_view piece) {
  if (!piece.empty()) {
    send(chunked_ ? fmt::format("{:x}\r\n{}\r\n", piece.size(), piece) : std::string(piece));
  }
  return !failed_;
}

bool HttpExchange::end() {
  if (streaming_ && chunked_) send("0\r\n\r\n");
  streaming_ = false;
  return keep_alive_ && request_.keep_alive && !failed_;
}

}  // namespace pith
