// Any body is a request within the server's ceilings, or an error of the client's that can be
// answered. The first byte chooses the endpoint.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "serve/chat_request.h"
#include "serve/completion_request.h"
#include "serve/responses_request.h"

namespace {

using namespace pith;

void check(bool condition) {
  if (!condition) std::abort();
}

const ServiceInfo& info() {
  static const ServiceInfo info = [] {
    ServiceInfo made;
    made.model = "m";
    made.has_verifier = true;
    made.limits.most_tokens = 100;
    made.limits.choices = 4;
    made.limits.branches = 8;
    made.limits.deadline_s = 10;
    return made;
  }();
  return info;
}

bool within(const std::optional<int32_t>& value, int32_t most) {
  return !value || (*value >= 1 && *value <= most);
}

void check_error(const ApiError& error) {
  check(error.status >= 400 && error.status < 500 && !error.message.empty());
  check(!error_response(error).body.empty());
}

void check_fields(const GenerationFields& fields) {
  const GenerationRequest& request = fields.generation;
  const ServiceLimits& limits = info().limits;
  check(request.messages.empty() != request.text.empty());
  check(request.choices >= 1 && request.choices <= limits.choices);
  check(within(request.most_tokens, limits.most_tokens));
  check(request.stop.size() <= kMostStopStrings);
  check(request.sampling.temperature >= 0 && request.sampling.temperature <= 2);
  check(request.sampling.top_p >= 0 && request.sampling.top_p <= 1);
  check(request.sampling.top_k >= 0);
  check(!request.deadline_s || (*request.deadline_s > 0 && *request.deadline_s <= 10));
  const auto& top = request.top_log_probabilities;
  check(!top || (*top >= 0 && *top <= kMostTopLogProbabilities));
  if (!request.vote) return;
  check(request.choices == 1 && request.stop.empty() && !top && !request.most_tokens);
  check(within(request.vote->branches, limits.branches));
  check(within(request.vote->budget_tokens, limits.most_tokens));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 3 == 2) {
    const auto request = parse_responses_request(body, info());
    if (!request) {
      check_error(request.error());
      return 0;
    }
    check_fields(request->fields);
    check(conversation_of(*request, {{Role::system, "s"}, {Role::user, "u"}}).size() >= 2);
    return 0;
  }
  const auto fields =
      data[0] % 3 == 0 ? parse_chat_request(body, info()) : parse_completion_request(body, info());
  fields ? check_fields(*fields) : check_error(fields.error());
  return 0;
}
