// POST /v1/chat/completions: what it asks for.
#pragma once

#include <string_view>

#include "serve/generation_fields.h"

namespace pith {

// Pure. Errors name the field; unknown fields are passed over.
ApiResult<GenerationFields> parse_chat_request(std::string_view body, const ServiceInfo& info);

}  // namespace pith
