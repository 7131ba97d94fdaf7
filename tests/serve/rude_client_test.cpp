// Clients that send garbage, too much or too little, read slowly, or leave.
#include <unistd.h>

#include <atomic>
#include <chrono>

#include "serve/line_log.h"
#include "server_case.h"

namespace pith {
namespace {

class RudeClient : public ServerCase {
 protected:
  void start_impatient() {
    server_options.idle_s = 0.2;
    server_options.request_s = 0.3;
    server_options.write_s = 0.2;
    server_options.limits.body_bytes = 1000;
    start();
  }
  void expect_alive() const { EXPECT_EQ(answer_to(get("/health")).status, 200); }
};

TEST_F(RudeClient, Garbage) {
  start();
  for (const std::string& bytes :
       {std::string("\0\0\0\0\r\n\r\n", 8), std::string("GET\r\n\r\n"),
        std::string("\x16\x03\x01\x02\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"), std::string(100000, 'A')}) {
    const RawResponse response = answer_to(bytes);
    EXPECT_TRUE(response.status == 400 || response.status == 431) << response.status;
    EXPECT_TRUE(response.has_header("Connection: close\r\n"));
    EXPECT_EQ(json_of(response)["error"]["type"], "invalid_request_error");
  }
  expect_alive();
}

TEST_F(RudeClient, TooMuch) {
  start_impatient();
  EXPECT_EQ(answer_to(post("/v1/chat/completions", std::string(5000, ' '))).status, 413);
  std::string chunks =
      "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 1000; ++i) chunks += "100\r\n" + std::string(256, ' ') + "\r\n";
  EXPECT_EQ(answer_to(chunks).status, 413);
  std::string headers = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 200; ++i) headers += "X: y\r\n";
  EXPECT_EQ(answer_to(headers + "\r\n").status, 431);
  EXPECT_EQ(answer_to("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(1 << 20, 'x')).status, 431);
  expect_alive();
}

TEST_F(RudeClient, DeepJson) {
  start();
  std::string deep = R"({"messages":)" + std::string(100000, '[');
  EXPECT_EQ(answer_to(post("/v1/chat/completions", deep)).status, 400);
  EXPECT_EQ(answer_to(post("/v1/responses", deep)).status, 400);
  EXPECT_EQ(answer_to(post("/tokenize", deep)).status, 400);
  expect_alive();
}

TEST_F(RudeClient, HalfARequest) {
  start_impatient();
  RawClient silent(server->url());
  RawClient head(server->url());
  head.send("GET / HTTP/1.1\r\n");
  RawClient body(server->url());
  body.send("POST /tokenize HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{");
  RawClient leaves(server->url());
  leaves.send("POST /tokenize HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{");
  leaves.close();
  EXPECT_EQ(silent.response().status, 0);
  EXPECT_EQ(head.response().status, 408);
  EXPECT_EQ(body.response().status, 408);
  expect_alive();
}

// The time for a request is for all of it, however steadily its bytes come.
TEST_F(RudeClient, ByteByByte) {
  start_impatient();
  RawClient client(server->url());
  const auto start = Clock::now();
  const std::string request = get("/health", "X: " + std::string(1000, 'x') + "\r\n");
  for (size_t i = 0; i < request.size() && seconds_since(start) < 0.6; ++i) {
    client.send(std::string_view(request).substr(i, 1));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_NE(client.response().status, 200);
}

// A script that writes until nobody wants it.
FakeService::Script endless(std::atomic<bool>& ended) {
  return [&ended](const GenerationRequest&, GenerationSink& sink) {
    sink.on_start({.prompt_tokens = 1, .cached_tokens = 0, .route = {}, .texts = 1});
    const std::string text(10000, 'x');
    while (sink.wants_more()) {
      sink.on_text({.index = 0, .reasoning = false, .text = text, .tokens = {}});
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ended = true;
  };
}

void expect_soon(const std::atomic<bool>& flag) {
  const auto start = Clock::now();
  while (!flag && seconds_since(start) < 20) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_TRUE(flag);
}

TEST_F(RudeClient, LeavesDuringAStream) {
  std::atomic<bool> ended = false;
  service.script = endless(ended);
  start();
  RawClient client(server->url());
  client.send(post("/v1/chat/completions", kStreamBody));
  EXPECT_TRUE(client.receive());
  client.close();
  expect_soon(ended);
  expect_alive();
}

TEST_F(RudeClient, LeavesWhileItWaits) {
  std::atomic<bool> ended = false;
  service.script = [&](const GenerationRequest&, GenerationSink& sink) {
    while (sink.wants_more()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ended = true;
  };
  start();
  RawClient client(server->url());
  client.send(post("/v1/chat/completions", kChatBody));
  client.end_writing();
  expect_soon(ended);
  expect_alive();
}

TEST_F(RudeClient, LeavesWhileItsTextIsGathered) {
  std::atomic<bool> ended = false;
  service.script = endless(ended);
  start();
  RawClient client(server->url());
  client.send(post("/v1/chat/completions", kChatBody));
  service.wait_for_request();
  client.close();
  expect_soon(ended);
  expect_alive();
}

TEST_F(RudeClient, ReadsNothing) {
  std::atomic<bool> ended = false;
  service.script = endless(ended);
  start_impatient();
  RawClient client(server->url());
  client.send(post("/v1/chat/completions", kStreamBody));
  expect_soon(ended);
  expect_alive();
}

TEST_F(RudeClient, TooManyAtOnce) {
  server_options.connections = 2;
  server_options.connections_per_address = 2;
  start();
  {
    RawClient first(server->url());
    RawClient second(server->url());
    first.send(get("/health"));
    second.send(get("/health"));
    EXPECT_EQ(first.response().status, 200);
    EXPECT_EQ(second.response().status, 200);
    RawClient third(server->url());
    const RawResponse response = third.response();
    EXPECT_EQ(response.status, 503);
    EXPECT_TRUE(response.has_header("Retry-After: "));
  }
  // Places are free again once the others have left.
  const auto start = Clock::now();
  int status = 0;
  while (status != 200 && seconds_since(start) < 10) status = answer_to(get("/health")).status;
  EXPECT_EQ(status, 200);
}

TEST_F(RudeClient, TooManyFromOneAddress) {
  server_options.connections = 4;  // half of them for each
  start();
  RawClient first(server->url());
  RawClient second(server->url());
  for (RawClient* client : {&first, &second}) {
    client->send(get("/health"));
    EXPECT_EQ(client->response().status, 200);
  }
  RawClient third(server->url());
  const RawResponse response = third.response();
  EXPECT_EQ(response.status, 503);
  EXPECT_TRUE(response.has_header("Retry-After: "));
  EXPECT_NE(response.body.find("from your address"), response.body.npos);
  RawClient other(server->url(), "127.0.0.2");
  other.send(get("/health"));
  EXPECT_EQ(other.response().status, 200);
}

TEST_F(RudeClient, StopsThoughAClientHangsOn) {
  std::atomic<bool> ended = false;
  service.script = [&](const GenerationRequest&, GenerationSink& sink) {
    while (sink.wants_more()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ended = true;
  };
  start();
  RawClient client(server->url());
  client.send(post("/v1/chat/completions", kChatBody));
  service.wait_for_request();
  RawClient slow(server->url());
  slow.send("POST / HTTP/1.1\r\n");
  server->stop(0.1);
  EXPECT_EQ(client.response().status, 0);
  expect_soon(ended);
}

TEST(LineLog, LosesLinesRatherThanWait) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  LineLog log(writer.get());
  const std::string line(1000, 'x');
  for (int i = 0; i < 1000; ++i) log.write(line);  // more than a pipe holds
  std::string read(size_t{1} << 20, ' ');
  const ssize_t first = ::read(reader.get(), read.data(), read.size());
  ASSERT_GT(first, 1000);
  log.write("after");
  const ssize_t second = ::read(reader.get(), read.data(), read.size());
  ASSERT_GT(second, 0);
  const std::string rest = read.substr(0, static_cast<size_t>(second));
  EXPECT_EQ(rest, fmt::format("{} lines of this log were lost\nafter\n", 1000 - first / 1001));
}

TEST(HttpServer, ListensWhereItMay) {
  FakeService service;
  Api api(service, {});
  HttpServerOptions options;
  options.port = 0;
  const auto first = HttpServer::start(options, api);
  ASSERT_TRUE(first) << first.error().message;
  options.port = static_cast<uint16_t>(
      std::atoi((*first)->url().substr((*first)->url().rfind(':') + 1).c_str()));
  const auto second = HttpServer::start(options, api);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::io);
  options.port = 0;
  options.host = "0.0.0.0";
  options.loopback_only = true;
  EXPECT_EQ(HttpServer::start(options, api).error().code, ErrorCode::usage);
  options.host = "no.such.name.invalid";
  EXPECT_EQ(HttpServer::start(options, api).error().code, ErrorCode::usage);
}

}  // namespace
}  // namespace pith
