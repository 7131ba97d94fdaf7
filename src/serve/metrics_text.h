// What /metrics says: the text format of Prometheus, version 0.0.4. Pure.
#pragma once

#include <string>

#include "serve/service.h"

namespace pith {

inline constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

std::string metrics_text(const ServiceMetrics& metrics);

}  // namespace pith
