// The API over HTTP, with a fake service behind it.
#include <algorithm>
#include <cctype>
#include <condition_variable>
#include <mutex>

#include "server_case.h"

namespace pith {
namespace {

using nlohmann::json;

class ApiTest : public ServerCase {};

TEST_F(ApiTest, Chats) {
  start();
  const RawResponse response = answer_to(post("/v1/chat/completions", kChatBody));
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.has_header("Content-Type: application/json\r\n"));
  EXPECT_TRUE(response.has_header("Date: "));
  EXPECT_FALSE(response.has_header("Access-Control"));
  const json answer = json_of(response);
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "Hello world");
  EXPECT_EQ(answer["model"], "tiny");
  EXPECT_EQ(answer["id"].get<std::string>().substr(0, 9), "chatcmpl-");
  EXPECT_EQ(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
  EXPECT_EQ(answer["pith"]["seed"], service.last_request().sampling.seed);
  EXPECT_EQ(service.last_request().messages.at(0).content, "Hi");
  EXPECT_EQ(service.last_request().client, "127.0.0.1");
}

TEST_F(ApiTest, DrawsASeedUnlessGivenOne) {
  start();
  answer_to(post("/v1/chat/completions", kChatBody));
  const uint64_t first = service.last_request().sampling.seed;
  answer_to(post("/v1/chat/completions", kChatBody));
  EXPECT_NE(service.last_request().sampling.seed, first);
  answer_to(post("/v1/completions", R"({"prompt":"a","seed":7})"));
  EXPECT_EQ(service.last_request().sampling.seed, 7u);
}

TEST_F(ApiTest, StreamsChats) {
  start();
  const RawResponse response = answer_to(post("/v1/chat/completions", kStreamBody));
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.has_header("Content-Type: text/event-stream\r\n"));
  EXPECT_TRUE(response.has_header("Cache-Control: no-cache\r\n"));
  EXPECT_TRUE(response.whole);
  EXPECT_NE(response.body.find(R"("delta":{"content":" world"})"), std::string::npos);
  EXPECT_EQ(response.body.substr(response.body.size() - 14), "data: [DONE]\n\n");
}

TEST_F(ApiTest, StreamsToHttp10UntilTheEnd) {
  start();
  const RawResponse response =
      answer_to(fmt::format("POST /v1/chat/completions HTTP/1.0\r\nContent-Length: {}\r\n\r\n{}",
                            kStreamBody.size(), kStreamBody));
  EXPECT_FALSE(response.has_header("Transfer-Encoding"));
  EXPECT_TRUE(response.has_header("Connection: close\r\n"));
  EXPECT_EQ(response.body.substr(0, 6), "data: ");
  EXPECT_NE(response.body.find("[DONE]"), std::string::npos);
}

TEST_F(ApiTest, Completes) {
  start();
  const json answer = json_of(answer_to(post("/v1/completions", R"({"prompt":"Say"})")));
  EXPECT_EQ(answer["choices"][0]["text"], "Hello world");
  EXPECT_EQ(service.last_request().text, "Say");
  const RawResponse stream =
      answer_to(post("/v1/completions", R"({"prompt":"Say","stream":true})"));
  EXPECT_NE(stream.body.find("[DONE]"), std::string::npos);
}

TEST_F(ApiTest, RemembersResponses) {
  start();
  const json first =
      json_of(answer_to(post("/v1/responses", R"({"input":"Hi","instructions":"Be short"})")));
  EXPECT_EQ(first["output"][0]["content"][0]["text"], "Hello world");
  const std::string id = first["id"];
  EXPECT_EQ(service.last_request().messages.size(), 2u);

  // The next turn has the earlier ones, but not their instructions; streams are kept too.
  const RawResponse second = answer_to(
      post("/v1/responses",
           fmt::format(R"({{"input":"More","previous_response_id":"{}","stream":true}})", id)));
  EXPECT_NE(second.body.find("event: response.completed\n"), std::string::npos);
  const auto messages = service.last_request().messages;
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0].content, "Hi");
  EXPECT_EQ(messages[1].role, Role::assistant);
  EXPECT_EQ(messages[1].content, "Hello world");
  EXPECT_EQ(messages[2].content, "More");
  const std::string second_id = second.body.substr(second.body.find("resp_"), 29);
  EXPECT_EQ(json_of(answer_to(get("/v1/responses/" + second_id)))["previous_response_id"], id);

  EXPECT_EQ(json_of(answer_to(get("/v1/responses/" + id))), first);
  const std::string gone =
      fmt::format("DELETE /v1/responses/{} HTTP/1.1\r\nHost: localhost\r\n\r\n", id);
  EXPECT_EQ(json_of(answer_to(gone))["deleted"], true);
  EXPECT_EQ(answer_to(gone).status, 404);
  EXPECT_EQ(answer_to(get("/v1/responses/" + id)).status, 404);
  const RawResponse lost = answer_to(
      post("/v1/responses", fmt::format(R"({{"input":"a","previous_response_id":"{}"}})", id)));
  EXPECT_EQ(lost.status, 400);
  EXPECT_EQ(json_of(lost)["error"]["code"], "previous_response_not_found");

  const json unkept = json_of(answer_to(post("/v1/responses", R"({"input":"Hi","store":false})")));
  EXPECT_EQ(answer_to(get("/v1/responses/" + unkept["id"].get<std::string>())).status, 404);
}

TEST_F(ApiTest, KeepsResponsesOfKeysApart) {
  api_options.access.api_keys = {"ann", "bob"};
  start();
  const json mine = json_of(
      answer_to(post("/v1/responses", R"({"input":"Hi"})", "Authorization: Bearer ann\r\n")));
  EXPECT_EQ(service.last_request().client, "key 0");
  const std::string path = "/v1/responses/" + mine["id"].get<std::string>();
  EXPECT_EQ(answer_to(get(path, "Authorization: Bearer bob\r\n")).status, 404);
  EXPECT_EQ(answer_to(get(path, "Authorization: Bearer ann\r\n")).status, 200);
}

TEST_F(ApiTest, TellsOfItself) {
  start();
  EXPECT_EQ(json_of(answer_to(get("/health")))["status"], "ok");
  const json models = json_of(answer_to(get("/v1/models")));
  EXPECT_EQ(models["data"][0]["id"], "tiny");
  EXPECT_EQ(models["data"][0]["pith"]["limits"]["branches"], 8);
  EXPECT_EQ(json_of(answer_to(get("/v1/models/tiny"))), models["data"][0]);
  EXPECT_EQ(answer_to(get("/v1/models/other")).status, 404);
  const RawResponse metrics = answer_to(get("/metrics"));
  EXPECT_TRUE(metrics.has_header("Content-Type: text/plain; version=0.0.4"));
  EXPECT_NE(metrics.body.find("\npith_requests_finished_total 3\n"), std::string::npos);
  const json tokens = json_of(answer_to(post("/tokenize", R"({"content":"AB"})")));
  EXPECT_EQ(tokens["tokens"], json::array({65, 66}));
  EXPECT_EQ(tokens["count"], 2);
  EXPECT_EQ(answer_to(post("/tokenize", "{}")).status, 400);
  api->begin_drain();
  EXPECT_EQ(answer_to(get("/health")).status, 503);
}

// Every path of the description is there, and nothing of it by another method.
TEST_F(ApiTest, IsAsItsDescriptionSays) {
  start();
  const json description = json_of(answer_to(get("/openapi.json")));
  ASSERT_TRUE(description.contains("paths"));
  int methods = 0;
  for (const auto& [path, item] : description["paths"].items()) {
    const std::string real = path.substr(0, path.find('{')) + (path.back() == '}' ? "tiny" : "");
    for (const std::string_view method : {"GET", "POST", "DELETE", "PUT"}) {
      std::string key(method);
      std::transform(key.begin(), key.end(), key.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const RawResponse response =
          answer_to(fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\n\r\n", method, real));
      EXPECT_EQ(response.status != 405, item.contains(key)) << method << " " << path;
      methods += item.contains(key) ? 1 : 0;
    }
  }
  EXPECT_EQ(methods, 11);
  EXPECT_EQ(answer_to(get("/v1/nothing")).status, 404);
}

TEST_F(ApiTest, NamesWhatIsWrong) {
  start();
  const RawResponse response = answer_to(
      post("/v1/chat/completions", R"({"messages":[{"role":"user","content":"a"}],"n":"many"})"));
  EXPECT_EQ(response.status, 400);
  const json error = json_of(response)["error"];
  EXPECT_EQ(error["type"], "invalid_request_error");
  EXPECT_EQ(error["param"], "n");
  EXPECT_EQ(error["code"], "invalid_type");
}

TEST_F(ApiTest, PassesRefusalsOn) {
  service.refusal = Refusal{Refusal::Kind::busy, "the queue is full", "", 4};
  start();
  RawResponse response = answer_to(post("/v1/chat/completions", kStreamBody));
  EXPECT_EQ(response.status, 429);
  EXPECT_TRUE(response.has_header("Retry-After: 4\r\n"));
  EXPECT_EQ(json_of(response)["error"]["message"], "the queue is full");
  service.refusal->kind = Refusal::Kind::draining;
  response = answer_to(post("/v1/responses", R"({"input":"a"})"));
  EXPECT_EQ(response.status, 503);
}

TEST_F(ApiTest, FailuresHaveAStatusBeforeAndAnEventWithin) {
  bool begin = false;
  service.script = [&](const GenerationRequest&, GenerationSink& sink) {
    if (begin) {
      sink.on_start({.prompt_tokens = 1, .cached_tokens = 0, .route = {}, .texts = 1});
    }
    sink.on_error({ErrorCode::exhausted, "no memory is left"});
  };
  start();
  EXPECT_EQ(answer_to(post("/v1/chat/completions", kChatBody)).status, 503);
  EXPECT_EQ(answer_to(post("/v1/chat/completions", kStreamBody)).status, 503);
  begin = true;
  EXPECT_EQ(answer_to(post("/v1/chat/completions", kChatBody)).status, 503);
  const RawResponse response = answer_to(post("/v1/chat/completions", kStreamBody));
  EXPECT_EQ(response.status, 200);
  EXPECT_NE(response.body.find(R"(data: {"error":{"message":"no memory is left")"),
            std::string::npos);
  EXPECT_EQ(response.body.find("[DONE]"), std::string::npos);
  const RawResponse failed = answer_to(post("/v1/responses", R"({"input":"a","stream":true})"));
  EXPECT_NE(failed.body.find("event: response.failed\n"), std::string::npos);
}

TEST_F(ApiTest, WantsItsKey) {
  api_options.access.api_keys = {"secret"};
  start();
  const RawResponse refused = answer_to(post("/v1/chat/completions", kChatBody));
  EXPECT_EQ(refused.status, 401);
  EXPECT_TRUE(refused.has_header("WWW-Authenticate: Bearer\r\n"));
  for (const char* path : {"/v1/models", "/metrics", "/v1/responses/x"}) {
    EXPECT_EQ(answer_to(get(path)).status, 401) << path;
    EXPECT_EQ(answer_to(get(path, "Authorization: Bearer wrong!\r\n")).status, 401) << path;
  }
  EXPECT_EQ(answer_to(get("/v1/models", "Authorization: Bearer secret\r\n")).status, 200);
  EXPECT_EQ(answer_to(get("/health")).status, 200);
  EXPECT_EQ(answer_to(get("/openapi.json")).status, 200);
}

TEST_F(ApiTest, KeepsForeignPagesOut) {
  api_options.access.origins = {"https://chat.example"};
  start();
  EXPECT_EQ(answer_to("GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n").status, 421);
  EXPECT_EQ(answer_to(get("/v1/models", "Origin: https://evil.example\r\n")).status, 403);
  EXPECT_EQ(answer_to("OPTIONS /v1/models HTTP/1.1\r\nHost: localhost\r\n"
                      "Origin: https://evil.example\r\n\r\n")
                .status,
            403);
  const RawResponse allowed = answer_to(get("/v1/models", "Origin: https://chat.example\r\n"));
  EXPECT_EQ(allowed.status, 200);
  EXPECT_TRUE(allowed.has_header("Access-Control-Allow-Origin: https://chat.example\r\n"));
  EXPECT_FALSE(allowed.has_header("Allow-Credentials"));
  const RawResponse preflight = answer_to(
      "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
      "Origin: https://chat.example\r\nAccess-Control-Request-Method: POST\r\n\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_TRUE(preflight.has_header("Access-Control-Allow-Headers: Authorization, Content-Type"));
}

TEST_F(ApiTest, LogsNoPromptsUnlessTold) {
  std::mutex mutex;
  std::string log;
  api_options.log = [&](std::string_view line) {
    const std::scoped_lock lock(mutex);
    log += std::string(line) + "\n";
  };
  const std::string secret =
      post("/v1/chat/completions?q=secret", R"({"messages":[{"role":"user","content":"secret"}]})");
  const std::string bad =
      post("/v1/chat/completions", R"({"messages":[{"role":"secret","content":"secret"}]})");
  const auto log_of = [&] {
    log.clear();
    start();
    answer_to(secret);
    answer_to(bad);
    server->stop(10);  // a line is written behind its answer
    return log;
  };
  const std::string quiet = log_of();
  EXPECT_NE(quiet.find("127.0.0.1 POST /v1/chat/completions 200 "), std::string::npos) << quiet;
  EXPECT_EQ(quiet.find("secret"), std::string::npos) << quiet;
  api_options.log_prompts = true;
  EXPECT_NE(log_of().find("secret"), std::string::npos);
}

TEST_F(ApiTest, KeepsConnectionsAndAnswersHeads) {
  start();
  RawClient client(server->url());
  client.send(get("/health") + get("/v1/models"));
  EXPECT_EQ(client.response().status, 200);
  EXPECT_EQ(client.response().status, 200);
  client.send("HEAD /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  while (client.receive()) {
  }
  EXPECT_NE(client.bytes().find("Content-Length: "), std::string::npos);
  EXPECT_EQ(client.bytes().substr(client.bytes().size() - 4), "\r\n\r\n");
}

// Ends once it was told to, and then says so.
struct Gate {
  void open() {
    const std::scoped_lock lock(mutex);
    is_open = true;
    opened.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex);
    opened.wait(lock, [this] { return is_open; });
  }
  std::mutex mutex;
  std::condition_variable opened;
  bool is_open = false;
};

TEST_F(ApiTest, ASlowPromptShowsNoAnswerYet) {
  Gate gate;
  service.script = [&](const GenerationRequest& request, GenerationSink& sink) {
    gate.pass();
    FakeService::says({"late"})(request, sink);
  };
  start();
  RawClient client(server->url());
  client.send(post("/v1/chat/completions", kStreamBody));
  EXPECT_EQ(answer_to(get("/health")).status, 200);  // others are served
  gate.open();
  EXPECT_NE(client.response().body.find("late"), std::string::npos);
}

TEST_F(ApiTest, StopLetsAnswersEnd) {
  Gate gate;
  service.script = [&](const GenerationRequest& request, GenerationSink& sink) {
    gate.pass();
    FakeService::says({"done"})(request, sink);
  };
  start();
  RawClient idle(server->url());
  RawClient client(server->url());
  client.send(post("/v1/chat/completions", kChatBody));
  service.wait_for_request();
  std::thread stopper([&] { server->stop(10); });
  EXPECT_FALSE(idle.receive());  // it is let go at once
  gate.open();
  EXPECT_EQ(client.response().status, 200);
  stopper.join();
}

}  // namespace
}  // namespace pith
