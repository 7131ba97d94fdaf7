// A server over a fake service, for tests that talk to it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "fake_service.h"
#include "raw_client.h"
#include "serve/api.h"
#include "serve/http_server.h"

namespace pith {

class ServerCase : public testing::Test {
 protected:
  void start() {
    server_options.port = 0;
    api = std::make_unique<Api>(service, api_options);
    auto started = HttpServer::start(server_options, *api);
    ASSERT_TRUE(started) << started.error().message;
    server = std::move(*started);
  }

  static std::string post(std::string_view path, std::string_view body,
                          std::string_view headers = "") {
    return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{}\r\n{}",
                       path, body.size(), headers, body);
  }
  static std::string get(std::string_view path, std::string_view headers = "") {
    return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", path, headers);
  }
  RawResponse answer_to(std::string_view request) const {
    RawClient client(server->url());
    client.send(request);
    return client.response();
  }
  static nlohmann::json json_of(const RawResponse& response) {
    return nlohmann::json::parse(response.body, nullptr, false);
  }

  FakeService service;
  ApiOptions api_options;
  HttpServerOptions server_options;
  std::unique_ptr<Api> api;
  std::unique_ptr<HttpServer> server;  // ends first
};

inline constexpr std::string_view kChatBody = R"({"messages":[{"role":"user","content":"Hi"}]})";
inline constexpr std::string_view kStreamBody =
    R"({"messages":[{"role":"user","content":"Hi"}],"stream":true})";

}  // namespace pith
