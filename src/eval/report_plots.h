// The plots of a report: a part of its page (html_report.h).
#pragma once

#include <string>

#include "base/function_ref.h"
#include "eval/comparison.h"
#include "eval/results.h"
#include "eval/summary.h"
#include "report/svg_plot.h"

namespace pith {

std::string report_plots(const EvalRun& run, const Summary& summary);
// Empty but for its frame where there are single samples alone, and no routing.
std::string comparison_plots(const Comparison& comparison);

// Accuracy over confidence, a point with its interval for each bin that has any; `say` is what
// a point says of itself.
PlotSeries reliability_series(std::string name, const Reliability& reliability,
                              FunctionRef<std::string(const ReliabilityBin&)> say);

}  // namespace pith
