#include "serve/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "io/json_null.h"
#include "serve/builtin_openapi.h"
#include "serve/field_reader.h"
#include "serve/generation_fields.h"
#include "serve/json_text.h"
#include "serve/metrics_text.h"
#include "serve/page_files.h"

namespace pith {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostLoggedBytes = size_t{64} << 10;

void respond_json(HttpExchange& exchange, const Json& json) {
  HttpResponse response;
  response.body = json_text(json) + "\n";
  exchange.respond(response);
}

ApiError not_found(std::string message) {
  ApiError error;
  error.status = 404;
  error.message = std::move(message);
  return error;
}

ApiError no_path(std::string_view path) {
  return not_found(fmt::format("there is no {} here", printable(path)));
}

bool matches(std::string_view route, std::string_view path) {
  if (route == "/" || route.back() != '/') return route == path;
  return path.size() > route.size() && path.substr(0, route.size()) == route;
}

Json model_json(const ServiceInfo& info) {
  const ServiceLimits& limits = info.limits;
  Json about = {{"pack", text_or_null(info.pack)},
                {"chats", info.chats},
                {"thinks", info.thinks},
                {"has_switcher", info.has_switcher},
                {"has_verifier", info.has_verifier},
                {"defaults",
                 {{"temperature", info.sampling.temperature},
                  {"top_p", info.sampling.top_p},
                  {"branches", info.branches},
                  {"budget", info.budget_tokens}}},
                {"limits",
                 {{"context", limits.context_tokens},
                  {"max_tokens", limits.most_tokens},
                  {"n", limits.choices},
                  {"branches", limits.branches},
                  {"deadline", value_or_null<Json>(limits.deadline_s)},
                  {"queue", limits.queue}}}};
  return {{"id", info.model},
          {"object", "model"},
          {"created", info.created_s},
          {"owned_by", "pith"},
          {"pith", std::move(about)}};
}

}  // namespace

const Api::Route Api::kRoutes[] = {
    {"GET", "/", true, &Api::get_page},
    {"GET", "/page/", true, &Api::get_page},
    {"GET", "/health", true, &Api::get_health},
    {"GET", "/openapi.json", true, &Api::get_openapi},
    {"GET", "/metrics", false, &Api::get_metrics},
    {"GET", "/v1/models", false, &Api::get_models},
    {"GET", "/v1/models/", false, &Api::get_model},
    {"POST", "/v1/chat/completions", false, &Api::post_chat},
    {"POST", "/v1/completions", false, &Api::post_completion},
    {"POST", "/v1/responses", false, &Api::post_response},
    {"GET", "/v1/responses/", false, &Api::get_response},
    {"DELETE", "/v1/responses/", false, &Api::delete_response},
    {"POST", "/tokenize", false, &Api::post_tokenize},
};

Api::Api(Service& service, ApiOptions options)
    : service_(service), options_(std::move(options)), store_(options_.store) {}

void Api::handle(HttpExchange& exchange) {
  const Clock::time_point start = Clock::now();
  dispatch(exchange);
  if (options_.log) log(exchange, seconds_since(start));
}

HttpResponse Api::refusal(const HttpFault& fault) const {
  ApiError error;
  error.status = fault.status;
  error.message = fault.what;
  if (fault.status == 503) error.retry_after_s = 1;
  return error_response(error);
}

void Api::dispatch(HttpExchange& exchange) {
  const HttpRequest& request = exchange.request();
  if (const auto error = check_source(options_.access, request)) {
    return exchange.respond(error_response(*error));
  }
  if (const auto origin = allowed_origin(options_.access, request)) {
    exchange.add_header("Access-Control-Allow-Origin", *origin);
    exchange.add_header("Vary", "Origin");
  }
  if (request.method == "OPTIONS") return preflight(exchange);

  std::string_view method = request.method;
  if (method == "HEAD") method = "GET";
  std::string allowed;  // methods that the path has
  for (const Route& route : kRoutes) {
    if (!matches(route.path, request.path)) continue;
    allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", route.method);
    if (route.method != method) continue;
    Caller caller{"", exchange.peer()};
    if (!route.open) {
      const ApiResult<size_t> key = check_key(options_.access, request);
      if (!key) return exchange.respond(error_response(key.error()));
      if (!options_.access.api_keys.empty()) {
        caller.owner = caller.client = fmt::format("key {}", *key);
      }
    }
    return (this->*route.answer)(exchange, caller);
  }
  if (allowed.empty()) return exchange.respond(error_response(no_path(request.path)));
  exchange.add_header("Allow", allowed);
  ApiError error;
  error.status = 405;
  error.message = fmt::format("{} is for {}", printable(request.path), allowed);
  exchange.respond(error_response(error));
}

// What a browser asks before it lets a page send JSON (CORS). A page that may not has been
// refused before.
void Api::preflight(HttpExchange& exchange) const {
  HttpResponse response;
  response.status = 204;
  response.content_type.clear();
  if (allowed_origin(options_.access, exchange.request())) {
    response.headers = {{"Access-Control-Allow-Methods", "GET, POST, DELETE"},
                        {"Access-Control-Allow-Headers", "Authorization, Content-Type"},
                        {"Access-Control-Max-Age", "600"}};
    if (exchange.request().header("access-control-request-private-network")) {
      response.headers.push_back({"Access-Control-Allow-Private-Network", "true"});
    }
  }
  exchange.respond(response);
}

void Api::log(const HttpExchange& exchange, double seconds) const {
  const HttpRequest& request = exchange.request();
  options_.log(fmt::format("{} {} {} {} {:.2f} s", exchange.peer(), request.method,
                           printable(request.path), exchange.status(), seconds));
  if (options_.log_prompts && !request.body.empty()) {
    options_.log(printable(request.body, kMostLoggedBytes));
  }
}

void Api::get_page(HttpExchange& exchange, const Caller& /*caller*/) {
  const HttpRequest& request = exchange.request();
  const PageFile* file = find_page_file(request.path);
  exchange.respond(file != nullptr ? page_response(*file, request)
                                   : error_response(no_path(request.path)));
}

void Api::get_health(HttpExchange& exchange, const Caller& /*caller*/) {
  HttpResponse response;
  response.status = draining_ ? 503 : 200;
  response.body = json_text({{"status", draining_ ? "draining" : "ok"}}) + "\n";
  exchange.respond(response);
}

void Api::get_metrics(HttpExchange& exchange, const Caller& /*caller*/) {
  HttpResponse response;
  response.content_type = kMetricsType;
  response.body = metrics_text(service_.metrics());
  exchange.respond(response);
}

void Api::get_models(HttpExchange& exchange, const Caller& /*caller*/) {
  respond_json(exchange,
               {{"object", "list"}, {"data", Json::array({model_json(service_.info())})}});
}

void Api::get_model(HttpExchange& exchange, const Caller& /*caller*/) {
  const std::string_view name = std::string_view(exchange.request().path).substr(11);
  if (name == service_.info().model) return respond_json(exchange, model_json(service_.info()));
  ApiError error = not_found(fmt::format("there is no model '{}' here", printable(name)));
  error.code = "model_not_found";
  exchange.respond(error_response(error));
}

void Api::get_openapi(HttpExchange& exchange, const Caller& /*caller*/) {
  HttpResponse response;
  response.body = kBuiltinOpenApi;
  exchange.respond(response);
}

void Api::post_tokenize(HttpExchange& exchange, const Caller& /*caller*/) {
  const ApiResult<nlohmann::json> object = parse_body(exchange.request().body);
  if (!object) return exchange.respond(error_response(object.error()));
  std::optional<ApiError> fault;
  FieldReader body(*object, fault);
  const std::optional<std::string> content = body.string("content");
  if (!content) body.refuse("content", "is missing", "missing_required_parameter");
  if (fault) return exchange.respond(error_response(*fault));
  const std::vector<TokenId> tokens = service_.tokenize(*content);
  respond_json(exchange, {{"tokens", tokens}, {"count", tokens.size()}});
}

}  // namespace pith
