// The plots of a report: a part of its page (html_report.h).
#pragma once

#include <string>

#include "eval/results.h"
#include "eval/summary.h"

namespace pith {

// Figures for a style sheet that has kPlotStyle and the classes of the page.
std::string report_plots(const EvalRun& run, const Summary& summary);

}  // namespace pith
