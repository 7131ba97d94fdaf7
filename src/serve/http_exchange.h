// One request and the answer to it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/http_message.h"
#include "serve/http_socket.h"

namespace pith {

// Answer it once: by respond(), or by begin() and any number of write(). On the thread of its
// connection.
class HttpExchange {
 public:
  // Borrows the socket. `write_s`: seconds that the client has to take each piece.
  HttpExchange(HttpRequest request, std::string peer, HttpSocket& socket, double write_s)
      : request_(std::move(request)), peer_(std::move(peer)), socket_(&socket), write_s_(write_s) {}

  const HttpRequest& request() const { return request_; }
  const std::string& peer() const { return peer_; }  // the client's address, without port

  // A header of the answer, whichever it will be. Before it.
  void add_header(std::string name, std::string value) {
    extra_.push_back({std::move(name), std::move(value)});
  }

  void respond(const HttpResponse& response);

  // A stream, whose length nobody knows; `head.body` is not looked at.
  void begin(const HttpResponse& head);
  // False when the client is gone.
  bool write(std::string_view piece);

  // Whether the client has ended the connection; a half of it counts.
  bool client_gone() const { return failed_ || socket_->peer_gone(); }
  bool begun() const { return status_ != 0; }
  int status() const { return status_; }  // of the answer; 0 before it

  // The connection will not be used again.
  void close_after() { keep_alive_ = false; }
  // Ends a stream. Whether another request may follow.
  bool end();

 private:
  std::string head(const HttpResponse& response) const;
  void send(std::string_view bytes);

  HttpRequest request_;
  std::string peer_;
  HttpSocket* socket_;
  double write_s_;
  std::vector<HttpHeader> extra_;
  int status_ = 0;
  bool streaming_ = false;
  bool chunked_ = false;
  bool keep_alive_ = true;
  bool failed_ = false;
};

}  // namespace pith
