// Whether a request makes sense, and stays below the ceilings.
#pragma once

#include "serve/service.h"

namespace pith {

// All that can be told without its prompt. Refusals: invalid.
Submission check_request(const GenerationRequest& request, const ServiceInfo& info);

}  // namespace pith
