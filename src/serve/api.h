// The server's API: OpenAI's, and what is our own (docs/serving.md).
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "serve/access.h"
#include "serve/api_error.h"
#include "serve/http_server.h"
#include "serve/response_store.h"
#include "serve/responses_request.h"
#include "serve/service.h"

namespace pith {

struct ApiOptions {
  AccessRules access;
  // Is told of every answered request, one line each; empty: nobody is. From many threads.
  std::function<void(std::string_view line)> log;
  bool log_prompts = false;  // tells it the bodies of requests too
  ResponseStoreLimits store;
};

// Thread safe.
class Api : public HttpHandler {
 public:
  // Borrows the service.
  Api(Service& service, ApiOptions options);

  void handle(HttpExchange& exchange) override;
  HttpResponse refusal(const HttpFault& fault) const override;

  // From now on /health says that the server is going down.
  void begin_drain() { draining_ = true; }

 private:
  struct Caller {
    std::string owner;   // of stored responses
    std::string client;  // for the service: who shares its time with whom
  };
  struct Route {
    std::string_view method;
    std::string_view path;  // one that ends in '/' stands for all below it, but for "/"
    bool open;              // needs no key
    void (Api::*answer)(HttpExchange& exchange, const Caller& caller);
  };
  static const Route kRoutes[];

  void dispatch(HttpExchange& exchange);
  void preflight(HttpExchange& exchange) const;
  void log(const HttpExchange& exchange, double seconds) const;

  void get_page(HttpExchange& exchange, const Caller& caller);
  void get_health(HttpExchange& exchange, const Caller& caller);
  void get_metrics(HttpExchange& exchange, const Caller& caller);
  void get_models(HttpExchange& exchange, const Caller& caller);
  void get_model(HttpExchange& exchange, const Caller& caller);
  void get_openapi(HttpExchange& exchange, const Caller& caller);
  void post_tokenize(HttpExchange& exchange, const Caller& caller);
  // In api_generation.cpp:
  void post_chat(HttpExchange& exchange, const Caller& caller);
  void post_completion(HttpExchange& exchange, const Caller& caller);
  void post_response(HttpExchange& exchange, const Caller& caller);
  void get_response(HttpExchange& exchange, const Caller& caller);
  void delete_response(HttpExchange& exchange, const Caller& caller);
  ApiResult<std::vector<ChatMessage>> earlier_messages(const ResponsesRequest& request,
                                                       const Caller& caller) const;

  Service& service_;
  ApiOptions options_;
  ResponseStore store_;
  std::atomic<bool> draining_ = false;
};

}  // namespace pith
