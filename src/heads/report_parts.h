// Parts that the reports of heads have in common.
#pragma once

#include <span>
#include <string>

#include "eval/statistics.h"
#include "heads/roc.h"
#include "report/svg_plot.h"

namespace pith {

std::string auc_text(const Estimate& estimate);             // "0.712 (0.690 to 0.733)"
std::string percent_points_text(const Estimate& estimate);  // "+1.2 (-0.3 to 2.6)"
std::string share_text(const Estimate& estimate);           // "12.3 % (10.0 to 14.1)"

// `positives`: what those that are to be found are called, as in "right ones".
std::string roc_figure(std::string_view caption, std::string_view positives,
                       std::span<const ScoredRow> rows);
std::string reliability_figure(std::string_view caption, std::string_view positives,
                               const Reliability& reliability);

}  // namespace pith
