// Errors as OpenAI's clients know them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "serve/http_message.h"
#include "serve/service.h"

namespace pith {

// A request that is answered with an error: one sentence for a person, and what programs
// look at. Nothing of a prompt is in it.
struct ApiError {
  int status = 400;
  std::string message;
  std::string param;  // the field of the request's body; empty: no single one
  std::string code;   // empty: none
  int retry_after_s = 0;
};
template <class T>
using ApiResult = tl::expected<T, ApiError>;

// {"error": {"message", "type", "param", "code"}}; the type follows from the status.
nlohmann::ordered_json error_json(const ApiError& error);
HttpResponse error_response(const ApiError& error);

// What a service's refusal is to a client of the API, where `prompt` is the field that the
// request's text came in.
ApiError refusal_error(const Refusal& refusal, std::string_view prompt);
// The same for work that failed after it was taken.
ApiError failure_error(const Error& error);

}  // namespace pith
