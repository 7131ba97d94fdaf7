// An HTTP/1.1 server for a known number of clients: one thread for each connection, which
// may wait as long as a model thinks. No TLS: that is a reverse proxy's work.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "serve/http_exchange.h"
#include "serve/http_parser.h"
#include "serve/http_socket.h"

namespace pith {

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // name or address to listen at
  uint16_t port = 8080;            // 0: any that is free
  bool loopback_only = false;      // refuse an address that others can reach
  HttpLimits limits;
  int connections = 128;  // at once; more are told to come back
  // Of these, from one address; of IPv6, from one network of /64, which is what one customer
  // has. 0: half of them.
  int connections_per_address = 0;
  double idle_s = 60;     // a connection may wait for its next request
  double request_s = 30;  // from a request's first byte to its last
  double write_s = 30;    // for the client to take a piece of the answer
};

// What is served. Called from many threads at once.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Answers the exchange.
  virtual void handle(HttpExchange& exchange) = 0;
  // The answer to what is no request.
  virtual HttpResponse refusal(const HttpFault& fault) const = 0;
};

class HttpServer {
 public:
  // Listens, and serves from then on. Borrows the handler. Errors: usage (a host that nobody
  // knows, or that others can reach with loopback_only), io (the port is taken).
  static Result<std::unique_ptr<HttpServer>> start(const HttpServerOptions& options,
                                                   HttpHandler& handler);
  // stop(0).
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // "http://127.0.0.1:8080", with the port that it has.
  const std::string& url() const { return url_; }

  // Takes no more connections and ends those that wait for a request; gives the others so
  // many seconds to be answered, then ends them too. Returns when all have ended.
  void stop(double seconds);

 private:
  struct Connection {
    HttpSocket socket;
    std::string peer;
    std::string origin;  // that connections are counted by
    bool done = false;   // guarded by mutex_
    std::thread thread;
  };

  HttpServer(const HttpServerOptions& options, HttpHandler& handler)
      : options_(options), handler_(&handler) {}

  Status listen();
  void accept_connections();
  void add(UniqueFd fd, std::string peer, std::string origin);
  const char* no_room_for(std::string_view origin) const;
  void reap();
  void serve(Connection& connection);
  bool serve_one(Connection& connection, std::string& bytes);
  bool read_request(Connection& connection, HttpParser& parser, std::string& bytes);
  void refuse(Connection& connection, const HttpFault& fault);

  HttpServerOptions options_;
  HttpHandler* handler_;
  std::string url_;
  UniqueFd listener_;
  UniqueFd stop_;  // an eventfd that can be read once the server ends
  std::thread acceptor_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::list<Connection> connections_;
};

}  // namespace pith
