// The figures of a run, or of two, as one HTML page that needs nothing else.
#pragma once

#include <string>

#include "eval/comparison.h"
#include "eval/results.h"
#include "eval/summary.h"

namespace pith {

std::string report_html(const EvalRun& run, const Summary& summary);
std::string comparison_html(const EvalRun& a, const EvalRun& b, const Comparison& comparison);

}  // namespace pith
