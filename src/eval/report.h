// The figures of a run, for people and for programs. The HTML page is in html_report.h.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "eval/comparison.h"
#include "eval/results.h"
#include "eval/summary.h"

namespace pith {

// {"value": .., "low": .., "high": ..}
nlohmann::ordered_json estimate_json(const Estimate& estimate);
// {"brier": .., "calibration_error": .., "bins": [{"count": .., "confidence": .., "accuracy": ..}]}
nlohmann::ordered_json reliability_json(const Reliability& reliability);

// The object described in docs/eval.md: to_json(run), and the figures.
nlohmann::ordered_json report_json(const EvalRun& run, const Summary& summary);
std::string report_table(const EvalRun& run, const Summary& summary);

nlohmann::ordered_json comparison_json(const Comparison& comparison);
std::string comparison_table(const Comparison& comparison);

}  // namespace pith
