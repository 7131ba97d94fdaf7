// How people call and read figures, in tables and on pages alike.
#pragma once

#include <string>

#include "eval/metrics.h"
#include "eval/stopping.h"

namespace pith {

// "maj@8", "confidence@8", "pass@1", "tokens".
std::string metric_label(const MetricName& name);
// Whether it is a share, which people read in percent.
bool is_share(const MetricName& name);
// "decided", "0.95".
std::string stop_label(const StopAt& stop_at);

std::string percent_text(double share);  // "12.3 %"
std::string value_text(const MetricName& name, double value);
std::string interval_text(const MetricName& name, const Estimate& estimate);  // "1.0 to 2.0"

}  // namespace pith
