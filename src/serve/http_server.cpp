#include "serve/http_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <new>
#include <vector>

namespace pith {
namespace {

constexpr int kBacklog = 128;
constexpr double kRefusedSeconds = 2;   // that a refused client has to read why
constexpr double kPauseSeconds = 0.05;  // where the system has no more files or threads

Clock::time_point after(double seconds) {
  return Clock::now() +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

struct AddressList {
  ~AddressList() {
    if (first != nullptr) freeaddrinfo(first);
  }
  addrinfo* first = nullptr;
};

// The address in digits, and the port.
std::pair<std::string, uint16_t> name_of(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text = {};
  if (address.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof(v4));
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return {text.data(), ntohs(v4.sin_port)};
  }
  sockaddr_in6 v6;
  std::memcpy(&v6, &address, sizeof(v6));
  inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  return {text.data(), ntohs(v6.sin6_port)};
}

// Whose connection it is: the address, of IPv6 the network's half of it.
std::string origin_of(const sockaddr_storage& address) {
  std::string name = name_of(address).first;
  const bool is_v4_in_v6 = name.substr(0, 7) == "::ffff:";
  if (address.ss_family != AF_INET6 || is_v4_in_v6) return name;
  sockaddr_in6 v6;
  std::memcpy(&v6, &address, sizeof(v6));
  return {reinterpret_cast<const char*>(v6.sin6_addr.s6_addr), 8};
}

bool is_loopback(std::string_view address) {
  return address.substr(0, 4) == "127." || address == "::1" ||
         address.substr(0, 11) == "::ffff:127.";
}

Result<UniqueFd> listen_at(const addrinfo& address) {
  UniqueFd fd(socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail(ErrorCode::io, "{}", system_message(errno));
  // A restart need not wait until the system forgets old connections. Not SO_REUSEPORT: two
  // servers would share a port without a word.
  const int yes = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (bind(fd.get(), address.ai_addr, address.ai_addrlen) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    return fail(ErrorCode::io, "{}", system_message(errno));
  }
  return fd;
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(const HttpServerOptions& options,
                                                      HttpHandler& handler) {
  std::unique_ptr<HttpServer> server(new HttpServer(options, handler));
  PITH_TRY_VOID(server->listen());
  server->acceptor_ = std::thread([raw = server.get()] { raw->accept_connections(); });
  return server;
}

HttpServer::~HttpServer() { stop(0); }

Status HttpServer::listen() {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  AddressList list;
  const std::string port = std::to_string(options_.port);
  const int code = getaddrinfo(options_.host.c_str(), port.c_str(), &hints, &list.first);
  if (code != 0) {
    return fail(ErrorCode::usage, "cannot listen at '{}': {}", printable(options_.host),
                gai_strerror(code));
  }
  Result<UniqueFd> fd = fail(ErrorCode::io, "no address");
  for (const addrinfo* address = list.first; address != nullptr && !fd;
       address = address->ai_next) {
    fd = listen_at(*address);
  }
  if (!fd) {
    return fail(ErrorCode::io, "cannot listen at {} port {}: {} (--port chooses another one)",
                printable(options_.host), port, fd.error().message);
  }
  listener_ = std::move(*fd);
  stop_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_) return fail_system("make an event for", "the server", errno);

  sockaddr_storage address = {};
  socklen_t length = sizeof(address);
  getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length);
  const auto [name, bound_port] = name_of(address);
  if (options_.loopback_only && !is_loopback(name)) {
    return fail(ErrorCode::usage,
                "others can reach {}: --api-key keeps them out, --no-api-key lets them in",
                printable(options_.host));
  }
  const bool v6 = address.ss_family == AF_INET6;
  url_ = fmt::format("http://{}{}{}:{}", v6 ? "[" : "", name, v6 ? "]" : "", bound_port);
  return {};
}

void HttpServer::accept_connections() {
  while (true) {
    std::array<pollfd, 2> waits = {{{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    poll(waits.data(), waits.size(), -1);
    if ((waits[1].revents & POLLIN) != 0) return;
    sockaddr_storage address = {};
    socklen_t length = sizeof(address);
    UniqueFd fd(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length,
                        SOCK_CLOEXEC | SOCK_NONBLOCK));
    reap();
    if (fd) {
      try {
        add(std::move(fd), name_of(address).first, origin_of(address));
      } catch (const std::bad_alloc&) {  // the connection is closed
      }
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      std::this_thread::sleep_for(std::chrono::duration<double>(kPauseSeconds));
    }
  }
}

// Why another connection cannot be taken, with the mutex held; null: it can.
const char* HttpServer::no_room_for(std::string_view origin) const {
  if (connections_.size() >= static_cast<size_t>(options_.connections)) {
    return "there are too many connections";
  }
  const int most = options_.connections_per_address > 0 ? options_.connections_per_address
                                                        : (options_.connections + 1) / 2;
  const auto held =
      std::count_if(connections_.begin(), connections_.end(),
                    [&](const Connection& connection) { return connection.origin == origin; });
  return held >= most ? "there are too many connections from your address" : nullptr;
}

void HttpServer::add(UniqueFd fd, std::string peer, std::string origin) {
  const int yes = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));  // tokens come one by one
  const std::scoped_lock lock(mutex_);
  const char* reason = no_room_for(origin);
  Connection& connection = connections_.emplace_back(
      Connection{HttpSocket(std::move(fd)), std::move(peer), std::move(origin), false, {}});
  if (reason == nullptr) {
    try {
      connection.thread = std::thread([this, &connection] { serve(connection); });
      return;
    } catch (const std::exception&) {
      reason = "there are no more threads";
    }
  }
  try {
    // Not waited for: this thread has others to take.
    HttpExchange exchange({}, connection.peer, connection.socket, /*write_s=*/0);
    exchange.close_after();
    exchange.respond(handler_->refusal({503, reason}));
  } catch (const std::bad_alloc&) {  // it is closed without a word
  }
  connections_.pop_back();
}

// Forgets connections that have ended.
void HttpServer::reap() {
  const std::scoped_lock lock(mutex_);
  connections_.remove_if([](Connection& connection) {
    if (connection.done) connection.thread.join();
    return connection.done;
  });
}

void HttpServer::serve(Connection& connection) {
  std::string bytes;  // that have come, and belong to requests which have not been served
  try {
    while (serve_one(connection, bytes)) {
    }
  } catch (const std::bad_alloc&) {  // this client's request does not fit: it is let go
  }
  connection.socket.shut_down();
  const std::scoped_lock lock(mutex_);
  connection.done = true;
  ended_.notify_all();
}

// Whether another request may follow.
bool HttpServer::serve_one(Connection& connection, std::string& bytes) {
  HttpParser parser(options_.limits);
  if (!read_request(connection, parser, bytes)) return false;
  HttpExchange exchange(parser.take(), connection.peer, connection.socket, options_.write_s);
  try {
    handler_->handle(exchange);
  } catch (const std::bad_alloc&) {
    exchange.close_after();
    if (!exchange.begun()) exchange.respond(handler_->refusal({503, "out of memory"}));
    return false;
  }
  return exchange.end();
}

bool HttpServer::read_request(Connection& connection, HttpParser& parser, std::string& bytes) {
  Clock::time_point deadline = after(options_.idle_s);
  while (true) {
    const bool waited = !parser.started();
    bytes.erase(0, parser.feed(bytes));
    if (parser.state() == HttpParser::State::done) return true;
    if (parser.state() == HttpParser::State::failed) {
      refuse(connection, parser.fault());
      return false;
    }
    if (parser.expects_continue()) {
      connection.socket.write("HTTP/1.1 100 Continue\r\n\r\n", after(options_.write_s));
    }
    if (waited && parser.started()) deadline = after(options_.request_s);
    const int stop_fd = parser.started() ? -1 : stop_.get();
    const HttpSocket::Read read = connection.socket.read(bytes, deadline, stop_fd);
    if (read == HttpSocket::Read::some) continue;
    if (read == HttpSocket::Read::late && parser.started()) {
      refuse(connection, {408, "the request did not come in time"});
    }
    return false;
  }
}

void HttpServer::refuse(Connection& connection, const HttpFault& fault) {
  HttpExchange exchange({}, connection.peer, connection.socket, kRefusedSeconds);
  exchange.close_after();
  exchange.respond(handler_->refusal(fault));
  connection.socket.finish(after(kRefusedSeconds));
}

void HttpServer::stop(double seconds) {
  if (!acceptor_.joinable()) return;
  const uint64_t one = 1;
  PITH_CHECK(::write(stop_.get(), &one, sizeof(one)) == sizeof(one));
  acceptor_.join();
  listener_.reset();
  std::unique_lock lock(mutex_);
  const auto all_done = [this] {
    return std::all_of(connections_.begin(), connections_.end(),
                       [](const Connection& connection) { return connection.done; });
  };
  ended_.wait_until(lock, after(seconds), all_done);
  for (Connection& connection : connections_) connection.socket.shut_down();
  ended_.wait(lock, all_done);
  lock.unlock();
  reap();
}

}  // namespace pith
