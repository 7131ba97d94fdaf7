// The figures of a run as one HTML page that needs nothing else.
#pragma once

#include <string>

#include "eval/results.h"
#include "eval/summary.h"

namespace pith {

std::string report_html(const EvalRun& run, const Summary& summary);

}  // namespace pith
