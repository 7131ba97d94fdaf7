#include "serve/access.h"

#include <gtest/gtest.h>

namespace pith {
namespace {

HttpRequest request_with(std::vector<HttpHeader> headers) {
  HttpRequest request;
  request.headers = std::move(headers);
  return request;
}

int source_status(const AccessRules& rules, std::string host, std::string origin = "") {
  std::vector<HttpHeader> headers = {{"host", std::move(host)}};
  if (!origin.empty()) headers.push_back({"origin", std::move(origin)});
  const auto error = check_source(rules, request_with(std::move(headers)));
  return error ? error->status : 200;
}

TEST(Access, TakesOnlyNamesThatCannotBeRebound) {
  const AccessRules rules;
  for (const char* host : {"localhost", "LocalHost:8080", "127.0.0.1", "127.0.0.1:1", "[::1]:8080",
                           "192.168.1.5:8080", "[fe80::1]"}) {
    EXPECT_EQ(source_status(rules, host), 200) << host;
  }
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "",
                           "[", "[]", "[::1", "1", "127.1"}) {
    EXPECT_EQ(source_status(rules, host), 421) << host;
  }
  EXPECT_EQ(source_status({.api_keys = {}, .hosts = {"box.lan"}, .origins = {}}, "BOX.lan:80"),
            200);
  EXPECT_FALSE(check_source(rules, request_with({})));  // HTTP/1.0 without a Host
}

TEST(Access, TakesOnlyItsOwnPagesAndThoseNamed) {
  AccessRules rules;
  EXPECT_EQ(source_status(rules, "localhost:8080", "http://localhost:8080"), 200);
  EXPECT_EQ(source_status(rules, "localhost:8080", "http://localhost:9090"), 403);
  EXPECT_EQ(source_status(rules, "localhost:8080", "https://evil.example"), 403);
  EXPECT_EQ(source_status(rules, "localhost:8080", "null"), 403);
  rules.origins = {"https://chat.example"};
  EXPECT_EQ(source_status(rules, "localhost:8080", "https://chat.example"), 200);
  EXPECT_EQ(source_status(rules, "localhost:8080", "https://chat.example.evil.example"), 403);
  EXPECT_EQ(source_status(rules, "evil.example", "https://chat.example"), 421);
  EXPECT_EQ(allowed_origin(rules, request_with({{"origin", "https://chat.example"}})),
            "https://chat.example");
  EXPECT_FALSE(allowed_origin(rules, request_with({{"origin", "https://evil.example"}})));
}

TEST(Access, WantsAKey) {
  const AccessRules rules{.api_keys = {"first", "second"}, .hosts = {}, .origins = {}};
  const auto key = [&](std::string value) -> int {
    const auto found = check_key(rules, request_with({{"authorization", std::move(value)}}));
    return found ? static_cast<int>(*found) : -found.error().status;
  };
  EXPECT_EQ(key("Bearer first"), 0);
  EXPECT_EQ(key("bearer  second "), 1);
  for (const char* wrong : {"", "Bearer", "Bearer ", "Bearer firs", "Bearer firstx", "Bearer FIRST",
                            "first", "Basic first"}) {
    EXPECT_EQ(key(wrong), -401) << wrong;
  }
  EXPECT_FALSE(check_key(rules, request_with({})));
  EXPECT_TRUE(check_key({}, request_with({})));
}

TEST(Access, KnowsOrigins) {
  EXPECT_TRUE(is_origin("http://localhost:3000"));
  EXPECT_TRUE(is_origin("https://chat.example"));
  for (const char* wrong : {"", "*", "null", "chat.example", "https://", "https://a/", "https://*",
                            "https://a b", "https://u@a", "ftp://a"}) {
    EXPECT_FALSE(is_origin(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace pith
