// The whole server under load: an engine, HTTP, many clients at once, rude ones among them.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/rng.h"
#include "raw_client.h"
#include "serve/api.h"
#include "serve/http_server.h"
#include "serve/served.h"

namespace pith {
namespace {

using testing::Served;

constexpr double kLoad_s = 2;
constexpr int kClients = 8;
constexpr uint64_t kQuestions = 12;
constexpr int kLeastAnswers = 24;  // however slow the machine

std::string post(std::string_view path, std::string_view body, size_t length) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}", path,
                     length, body);
}

std::string question(uint64_t number) {
  std::string text = "Question " + std::to_string(number) + ": ";
  for (uint64_t i = 0; i < number * number % 30; ++i) text += "what is " + std::to_string(i) + "? ";
  nlohmann::json body = {{"messages", {{{"role", "user"}, {"content", text}}}}, {"stream", true}};
  if (number % 4 == 3) {
    body["branches"] = 3;
    body["budget"] = 8;
    body["seed"] = number;
  } else {
    body["max_tokens"] = 4 + number;
    body["temperature"] = number % 2;  // a seed repeats an answer, too
    body["seed"] = 7;
    body["n"] = 1 + number % 3;
    body["logprobs"] = number % 3 == 0;
  }
  return body.dump();
}

// At temperature 0 the model goes on for as long as it may.
const std::string kEndless =
    R"({"messages":[{"role":"user","content":"hello"}],"stream":true,"temperature":0})";

// All that a stream says of its texts; empty where it is not whole.
std::string answer_of(const RawResponse& response) {
  if (response.status != 200 || !response.whole) return {};
  std::map<int, std::string> texts;
  bool is_whole = false;
  for (size_t at = 0; (at = response.body.find("data: ", at)) != std::string::npos;) {
    at += 6;
    const size_t end = response.body.find("\n\n", at);
    if (end == std::string::npos) return {};
    const std::string data = response.body.substr(at, end - at);
    if (data == "[DONE]") {
      is_whole = true;
      continue;
    }
    const nlohmann::json chunk = nlohmann::json::parse(data, nullptr, false);
    if (chunk.is_discarded() || chunk.contains("error")) return {};
    for (const nlohmann::json& choice : chunk["choices"]) {
      std::string& text = texts[choice["index"].get<int>()];
      const nlohmann::json content = choice["delta"].value("content", nlohmann::json());
      if (content.is_string()) text += content.get<std::string>();
      const nlohmann::json logprobs = choice.value("logprobs", nlohmann::json());
      if (logprobs.is_object()) {
        for (const nlohmann::json& token : logprobs["content"]) text += token.dump();
      }
      if (choice["finish_reason"].is_string()) text += choice["finish_reason"].get<std::string>();
    }
  }
  return is_whole ? nlohmann::json(texts).dump() : std::string();
}

class Load : public ::testing::Test {
 protected:
  Load() {
    served.options.places = 8;
    served.options.engine.kv_tokens = 64 * 40;
    served.options.cache_tokens = 64 * 12;  // old prompts give way to new ones
    served.begin();
    api.emplace(*served.service, ApiOptions());
    HttpServerOptions options;
    options.port = 0;
    options.limits.body_bytes = 20000;
    server = HttpServer::start(options, *api).value();
  }

  std::string ask(uint64_t number) const {
    const std::string body = question(number);
    RawClient client(server->url());
    client.send(post("/v1/chat/completions", body, body.size()));
    return answer_of(client.response());
  }

  void be_rude(uint64_t kind) const {
    RawClient client(server->url());
    const std::string& body = kEndless;
    switch (kind % 5) {
      case 0:  // leaves in the middle of a stream
        client.send(post("/v1/chat/completions", body, body.size()));
        client.receive();
        break;
      case 1: {
        std::string garbage(1 + kind % 3000, '\0');
        for (size_t i = 0; i < garbage.size(); ++i) {
          garbage[i] = static_cast<char>(random_bits(kind, 9, i));
        }
        client.send(garbage);
        break;
      }
      case 2:  // leaves in the middle of a request
        client.send(post("/v1/chat/completions", body.substr(0, body.size() / 2), body.size()));
        break;
      case 3:  // sends a body of any length
        client.send(post("/v1/chat/completions", std::string(100000, ' '), 100000));
        EXPECT_EQ(client.response().status, 413);
        break;
      default:  // reads nothing for a while
        client.send(post("/v1/chat/completions", body, body.size()));
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

  Served served;
  std::optional<Api> api;
  std::unique_ptr<HttpServer> server;  // ends first
};

TEST_F(Load, EachAnswerIsTheSameAsAlone) {
  std::vector<std::string> alone;
  for (uint64_t i = 0; i < kQuestions; ++i) {
    alone.push_back(ask(i));
    ASSERT_FALSE(alone.back().empty()) << i;
  }
  std::atomic<int> answers = 0;
  std::vector<std::thread> clients;
  const auto start = Clock::now();
  for (uint64_t client = 0; client < kClients; ++client) {
    clients.emplace_back([&, client] {
      for (uint64_t turn = 0; seconds_since(start) < kLoad_s || answers < kLeastAnswers; ++turn) {
        const uint64_t bits = random_bits(client, turn, 0);
        if (bits % 8 == 0) {
          be_rude(bits / 8);
        } else {
          const uint64_t number = bits / 8 % kQuestions;
          EXPECT_EQ(ask(number), alone[number]) << number;
          ++answers;
        }
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(ask(1), alone[1]);

  // What is at work when the server ends is told so, and nothing hangs.
  RawClient last(server->url());
  last.send(post("/v1/chat/completions", kEndless, kEndless.size()));
  EXPECT_TRUE(last.receive());
  api->begin_drain();
  served.service->drain(0.01);
  server->stop(5);
  EXPECT_NE(last.response().body.find("data: "), std::string::npos);
  const ServiceMetrics metrics = served.service->metrics();
  EXPECT_EQ(metrics.requests_running + metrics.requests_queued + metrics.texts_running, 0);
  EXPECT_LE(metrics.requests_failed, 1);  // the last one
  EXPECT_GE(metrics.requests_finished, answers);
  EXPECT_GT(metrics.requests_cancelled, 0);
}

}  // namespace
}  // namespace pith
