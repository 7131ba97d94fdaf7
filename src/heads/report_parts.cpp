#include "heads/report_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "report/html_page.h"

namespace pith {
namespace {

using nlohmann::ordered_json;

}  // namespace

ordered_json estimate_json(const Estimate& estimate) {
  return {{"value", estimate.value}, {"low", estimate.low}, {"high", estimate.high}};
}

ordered_json reliability_json(const Reliability& reliability) {
  ordered_json bins = ordered_json::array();
  for (const ReliabilityBin& bin : reliability.bins) {
    bins.push_back(
        {{"count", bin.count}, {"confidence", bin.confidence}, {"accuracy", bin.accuracy}});
  }
  return {{"brier", reliability.brier},
          {"calibration_error", reliability.calibration_error},
          {"bins", std::move(bins)}};
}

std::string auc_text(const Estimate& estimate) {
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", estimate.value, estimate.low, estimate.high);
}

std::string percent_points_text(const Estimate& estimate) {
  return fmt::format("{:+.1f} ({:+.1f} to {:+.1f})", 100 * estimate.value, 100 * estimate.low,
                     100 * estimate.high);
}

std::string share_text(const Estimate& estimate) {
  return fmt::format("{:.1f} % ({:.1f} to {:.1f})", 100 * estimate.value, 100 * estimate.low,
                     100 * estimate.high);
}

std::string roc_figure(std::string_view caption, std::string_view positives,
                       std::span<const ScoredRow> rows) {
  PlotSeries series{"head", {}, /*line=*/true, /*dots=*/false};
  for (const RocPoint& point : roc_curve(rows)) {
    series.points.push_back({point.false_positives, point.true_positives, point.true_positives,
                             point.true_positives, ""});
  }
  return html_figure(caption, point_plot({"others above the threshold", false, true},
                                         {std::string(positives), false, true}, {series},
                                         /*diagonal=*/true));
}

std::string reliability_figure(std::string_view caption, std::string_view positives,
                               const Reliability& reliability) {
  PlotSeries series{"scores", {}};
  for (const ReliabilityBin& bin : reliability.bins) {
    if (bin.count == 0) continue;
    // 95 % by the normal approximation; the bin's own share, not resampled.
    const double half = 1.96 * std::sqrt(bin.accuracy * (1 - bin.accuracy) / bin.count);
    series.points.push_back({bin.confidence, bin.accuracy, std::max(bin.accuracy - half, 0.0),
                             std::min(bin.accuracy + half, 1.0),
                             fmt::format("{:.1f} % of {} with scores near {:.2f}",
                                         100 * bin.accuracy, bin.count, bin.confidence)});
  }
  return html_figure(
      caption, point_plot({"score", false, true}, {std::string(positives), false, true}, {series},
                          /*diagonal=*/true));
}

std::string settings_table(const ordered_json& settings) {
  std::string out = "<h2>Settings</h2>\n<div class=\"wide\"><table>\n";
  for (const auto& [name, value] : settings.items()) {
    const std::string text =
        value.is_string() ? value.get<std::string>()
                          : value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
    out += fmt::format("<tr><td>{}<td class=\"v\">{}</tr>\n", escape_html(name), escape_html(text));
  }
  return out + "</table></div>\n";
}

}  // namespace pith
