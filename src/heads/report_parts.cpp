#include "heads/report_parts.h"

#include <fmt/format.h>

#include "eval/report_plots.h"
#include "report/html_page.h"

namespace pith {

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
  const auto say = [](const ReliabilityBin& bin) {
    return fmt::format("{:.1f} % of {} with scores near {:.2f}", 100 * bin.accuracy, bin.count,
                       bin.confidence);
  };
  const PlotSeries series = reliability_series("scores", reliability, say);
  return html_figure(
      caption, point_plot({"score", false, true}, {std::string(positives), false, true}, {series},
                          /*diagonal=*/true));
}

}  // namespace pith
