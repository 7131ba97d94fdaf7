// POST /v1/completions: what it asks for.
#pragma once

#include <string_view>

#include "serve/generation_fields.h"

namespace pith {

// Pure. The prompt is read as it is, without a chat template; it is continued by plain text,
// not by votes. Errors name the field; unknown fields are passed over.
ApiResult<GenerationFields> parse_completion_request(std::string_view body,
                                                     const ServiceInfo& info);

}  // namespace pith
