#include "serve/api_error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "io/json_null.h"
#include "serve/json_text.h"

namespace pith {
namespace {

constexpr int kRestartSeconds = 10;  // about what it takes
constexpr double kMostRetrySeconds = 3600;

std::string_view error_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 500:
      return "server_error";
    case 503:
      return "service_unavailable_error";
    default:
      return "invalid_request_error";
  }
}

// The name of a GenerationRequest's field in requests of the API.
std::string_view param_of(std::string_view field, std::string_view prompt) {
  if (field == "messages" || field == "text") return prompt;
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kNames = {{
      {"choices", "n"},
      {"most_tokens", "max_tokens"},
      {"top_log_probabilities", "top_logprobs"},
      {"budget_tokens", "budget"},
      {"rule", "vote"},
      {"deadline_s", "deadline"},
  }};
  for (const auto& [ours, theirs] : kNames) {
    if (ours == field) return theirs;
  }
  return field;
}

}  // namespace

nlohmann::ordered_json error_json(const ApiError& error) {
  return {{"error",
           {{"message", error.message},
            {"type", error_type(error.status)},
            {"param", text_or_null(error.param)},
            {"code", text_or_null(error.code)}}}};
}

HttpResponse error_response(const ApiError& error) {
  HttpResponse response;
  response.status = error.status;
  response.body = json_text(error_json(error)) + "\n";
  if (error.status == 401) response.headers.push_back({"WWW-Authenticate", "Bearer"});
  if (error.retry_after_s > 0) {
    response.headers.push_back({"Retry-After", std::to_string(error.retry_after_s)});
  }
  return response;
}

ApiError refusal_error(const Refusal& refusal, std::string_view prompt) {
  ApiError error;
  error.message = refusal.message;
  error.param = param_of(refusal.parameter, prompt);
  switch (refusal.kind) {
    case Refusal::Kind::invalid:
      break;
    case Refusal::Kind::too_long:
      error.code = "context_length_exceeded";
      break;
    case Refusal::Kind::busy:
      error.status = 429;
      error.code = "queue_full";
      error.retry_after_s =
          static_cast<int>(std::clamp(std::ceil(refusal.retry_after_s), 1.0, kMostRetrySeconds));
      break;
    case Refusal::Kind::draining:
      error.status = 503;
      error.code = "shutting_down";
      error.retry_after_s = kRestartSeconds;
      break;
  }
  return error;
}

ApiError failure_error(const Error& error) {
  ApiError out;
  out.status = 500;
  out.message = error.message;
  switch (error.code) {
    case ErrorCode::usage:
      out.status = 400;
      break;
    case ErrorCode::cancelled:
      out.status = 503;
      out.code = "shutting_down";
      out.retry_after_s = kRestartSeconds;
      break;
    case ErrorCode::exhausted:
      out.status = 503;
      out.code = "out_of_memory";
      out.retry_after_s = 1;
      break;
    default:
      break;
  }
  return out;
}

}  // namespace pith
