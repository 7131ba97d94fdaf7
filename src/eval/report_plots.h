// The plots of a report: a part of its page (html_report.h).
#pragma once

#include <string>

#include "eval/comparison.h"
#include "eval/results.h"
#include "eval/summary.h"

namespace pith {

std::string report_plots(const EvalRun& run, const Summary& summary);
// Empty but for its frame where there are single samples alone, and no routing.
std::string comparison_plots(const Comparison& comparison);

}  // namespace pith
