// POST /v1/responses: what it asks for.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "serve/generation_fields.h"

namespace pith {

struct ResponsesRequest {
  // Its messages are those of `input`: what `previous` and `instructions` add is for whoever
  // knows earlier responses (see conversation_of()).
  GenerationFields fields;
  std::string instructions;  // the system prompt of this turn alone; empty: none
  std::string previous;      // id of the response that this one follows; empty: none
  bool store = true;
  // What the answer repeats as it was.
  nlohmann::ordered_json metadata = nlohmann::ordered_json::object();
  std::string effort;  // empty: none was given
};

// Pure. Errors name the field; unknown fields are passed over.
ApiResult<ResponsesRequest> parse_responses_request(std::string_view body, const ServiceInfo& info);

// The turns before `request` (without instructions), its own, and its instructions in front.
std::vector<ChatMessage> conversation_of(const ResponsesRequest& request,
                                         const std::vector<ChatMessage>& before);

}  // namespace pith
