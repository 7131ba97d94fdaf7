#include "serve/http_parser.h"

#include <gtest/gtest.h>

namespace pith {
namespace {

using State = HttpParser::State;

// Fed in pieces of `step` bytes.
HttpParser parsed(std::string_view bytes, size_t step = SIZE_MAX, HttpLimits limits = {}) {
  HttpParser parser(limits);
  while (!bytes.empty()) {
    const size_t used = parser.feed(bytes.substr(0, step));
    if (used == 0) break;
    bytes.remove_prefix(used);
  }
  return parser;
}

int fault_of(std::string_view bytes, HttpLimits limits = {}) {
  const HttpParser parser = parsed(bytes, SIZE_MAX, limits);
  return parser.state() == State::failed ? parser.fault().status : 0;
}

TEST(HttpParser, ReadsARequestInAnyPieces) {
  constexpr std::string_view kRequest =
      "POST /v1/x?y=1 HTTP/1.1\r\nHost: a\r\nX-Name:  two words \r\nContent-Length: 5\r\n\r\nhello";
  for (size_t step = 1; step <= kRequest.size(); ++step) {
    const HttpParser parser = parsed(kRequest, step);
    ASSERT_EQ(parser.state(), State::done) << step;
    const HttpRequest& request = parser.request();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.path, "/v1/x");
    EXPECT_EQ(request.header("x-name"), "two words");
    EXPECT_EQ(request.header("x-other"), std::nullopt);
    EXPECT_EQ(request.body, "hello");
    EXPECT_TRUE(request.keep_alive);
  }
}

TEST(HttpParser, LeavesTheNextRequest) {
  constexpr std::string_view kFirst = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  HttpParser parser{HttpLimits()};
  EXPECT_EQ(parser.feed(std::string(kFirst) + "GET"), kFirst.size());
  EXPECT_EQ(parser.state(), State::done);
}

TEST(HttpParser, JoinsChunks) {
  constexpr std::string_view kRequest =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;name=value\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
  for (size_t step = 1; step <= kRequest.size(); ++step) {
    const HttpParser parser = parsed(kRequest, step);
    ASSERT_EQ(parser.state(), State::done) << step;
    EXPECT_EQ(parser.request().body, "abc0123456789");
  }
}

TEST(HttpParser, KnowsWhenAConnectionEnds) {
  const auto keeps = [](std::string_view version, std::string_view header) {
    return parsed(fmt::format("GET / HTTP/{}\r\nHost: a\r\n{}\r\n", version, header))
        .request()
        .keep_alive;
  };
  EXPECT_TRUE(keeps("1.1", ""));
  EXPECT_TRUE(keeps("1.1", "Connection: keep-alive\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: foo, Close\r\n"));
  EXPECT_FALSE(keeps("1.0", ""));
}

TEST(HttpParser, TellsWhoWaitsToContinue) {
  constexpr std::string_view kHead =
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
  EXPECT_TRUE(parsed(kHead).expects_continue());
  EXPECT_FALSE(parsed(std::string(kHead) + "x").expects_continue());
}

TEST(HttpParser, RefusesWhatTwoReadersCouldReadDifferently) {
  const auto head = [](std::string_view headers) {
    return fault_of(fmt::format("POST / HTTP/1.1\r\nHost: a\r\n{}\r\n", headers));
  };
  EXPECT_EQ(head("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400);
  EXPECT_EQ(head("Content-Length: 1\r\nContent-Length: 1\r\n"), 400);
  EXPECT_EQ(head("Content-Length: +1\r\n"), 400);
  EXPECT_EQ(head("Content-Length: 0x1\r\n"), 400);
  EXPECT_EQ(head("Content-Length: \r\n"), 400);
  EXPECT_EQ(head("Content-Length: 99999999999999999999999\r\n"), 413);
  EXPECT_EQ(head("Transfer-Encoding: gzip\r\n"), 501);
  EXPECT_EQ(head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400);
  EXPECT_EQ(head("X: a\r\n folded\r\n"), 400);
  EXPECT_EQ(head("X : a\r\n"), 400);
  EXPECT_EQ(head("X: a\nY: b\r\n"), 400);
  EXPECT_EQ(head("no colon\r\n"), 400);
  EXPECT_EQ(head("Host: b\r\n"), 400);
  EXPECT_EQ(head("Content-Encoding: gzip\r\n"), 415);
  EXPECT_EQ(head("Expect: wonders\r\n"), 417);
  EXPECT_EQ(fault_of("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(fault_of("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(fault_of("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(fault_of("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(fault_of("\x16\x03\x01 TLS\r\n\r\n"), 400);
}

TEST(HttpParser, RefusesBadChunks) {
  const auto chunks = [](std::string_view body) {
    return fault_of(
        fmt::format("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}", body));
  };
  EXPECT_EQ(chunks("-1\r\n"), 400);
  EXPECT_EQ(chunks("x\r\n"), 400);
  EXPECT_EQ(chunks("\r\n"), 400);
  EXPECT_EQ(chunks("1\n"), 400);
  EXPECT_EQ(chunks("1\r\nab\r\n"), 400);
  EXPECT_EQ(chunks("ffffffffffffffff\r\n"), 413);
  EXPECT_EQ(chunks("fffffffffffffffff\r\n"), 400);
  EXPECT_EQ(chunks("1;" + std::string(1000, 'x')), 400);
}

TEST(HttpParser, KeepsItsLimits) {
  HttpLimits limits;
  limits.head_bytes = 1000;
  limits.headers = 3;
  limits.body_bytes = 10;
  const auto with = [&](std::string_view rest) {
    return fault_of(fmt::format("POST / HTTP/1.1\r\nHost: a\r\n{}", rest), limits);
  };
  EXPECT_EQ(with("A: 1\r\nB: 2\r\n\r\n"), 0);
  EXPECT_EQ(with("A: 1\r\nB: 2\r\nC: 3\r\n\r\n"), 431);
  EXPECT_EQ(with("A: " + std::string(2000, 'a')), 431);
  EXPECT_EQ(with("Content-Length: 10\r\n\r\n"), 0);
  EXPECT_EQ(with("Content-Length: 11\r\n\r\n"), 413);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n5\r\n"), 413);
  // Not a byte more is taken once it has failed.
  HttpParser parser(limits);
  EXPECT_LE(parser.feed(std::string(100000, 'a')), 1001u);
  EXPECT_EQ(parser.feed("more"), 0u);
}

}  // namespace
}  // namespace pith
