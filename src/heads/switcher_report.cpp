#include "heads/switcher_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "eval/report.h"
#include "heads/report_parts.h"
#include "report/html_page.h"
#include "report/svg_plot.h"

namespace pith {
namespace {

using nlohmann::ordered_json;

PlotPoint plain_point(double x, double y, std::string label) {
  return {x, y, y, y, std::move(label)};
}

// `by_tokens`: over tokens, else over the share that thinks.
std::string routing_figure(const TrainedSwitcher& trained, bool by_tokens) {
  PlotSeries switcher{"by the switcher", {}};
  for (const RoutedShare& point : trained.curve) {
    switcher.points.push_back(plain_point(
        by_tokens ? point.tokens : point.share, point.accuracy,
        fmt::format("{:.0f} % think, from a probability of {:.3f}: {:.1f} % right, {:.0f} tokens",
                    100 * point.share, point.threshold, 100 * point.accuracy, point.tokens)));
  }
  const RoutedShare& first = trained.curve.front();
  const RoutedShare& last = trained.curve.back();
  PlotSeries coin{"by a coin",
                  {plain_point(by_tokens ? first.tokens : first.share, first.accuracy, ""),
                   plain_point(by_tokens ? last.tokens : last.share, last.accuracy, "")},
                  /*line=*/true,
                  /*dots=*/false};
  return html_figure(by_tokens ? "Right, by the tokens that it takes"
                               : "Right, by the share of the questions that think",
                     point_plot(by_tokens ? PlotAxis{"tokens of a sample"}
                                          : PlotAxis{"share that thinks", false, true},
                                {"right", false, true}, {switcher, coin}));
}

}  // namespace

ordered_json switcher_json(const TrainedSwitcher& trained, double keep,
                           const ordered_json& settings) {
  ordered_json json = {
      {"examples", trained.judged.size()}, {"need_thinking", trained.positives},
      {"auc", estimate_json(trained.auc)}, {"reliability", reliability_json(trained.reliability)},
      {"threshold", trained.threshold},    {"keep", keep},
      {"routed", ordered_json()}};
  if (trained.routed > 0) {
    ordered_json curve = ordered_json::array();
    for (const RoutedShare& point : trained.curve) {
      curve.push_back({{"share", point.share},
                       {"threshold", point.threshold},
                       {"accuracy", point.accuracy},
                       {"tokens", point.tokens}});
    }
    json["routed"] = {{"questions", trained.routed},
                      {"always", estimate_json(trained.always)},
                      {"never", estimate_json(trained.never)},
                      {"always_tokens", trained.always_tokens},
                      {"never_tokens", trained.never_tokens},
                      {"accuracy", estimate_json(trained.accuracy)},
                      {"over_target", estimate_json(trained.kept)},
                      {"token_share", estimate_json(trained.token_share)},
                      {"curve", std::move(curve)}};
  }
  json["settings"] = settings;
  return json;
}

std::string switcher_table(const TrainedSwitcher& trained, double keep) {
  std::string out = fmt::format("{} questions, {} need reasoning\nAUC {}\nthreshold {:.3f}\n",
                                trained.judged.size(), trained.positives, auc_text(trained.auc),
                                trained.threshold);
  if (trained.routed == 0) return out;
  out += fmt::format("always reasoning: {}, {:.0f} tokens; never: {}, {:.0f} tokens\n",
                     share_text(trained.always), trained.always_tokens, share_text(trained.never),
                     trained.never_tokens);
  out += fmt::format("by the switcher: {}, {} of the tokens; {} points over the target of {:g} %\n",
                     share_text(trained.accuracy), share_text(trained.token_share),
                     percent_points_text(trained.kept), 100 * keep);
  return out;
}

std::string switcher_page(const TrainedSwitcher& trained, double keep,
                          const ordered_json& settings) {
  std::string body = "<div class=\"tiles\">\n";
  body += html_tile("AUC", fmt::format("{:.3f}", trained.auc.value),
                    fmt::format("{:.3f} to {:.3f}", trained.auc.low, trained.auc.high));
  body += html_tile("threshold", fmt::format("{:.3f}", trained.threshold), "of the probability");
  if (trained.routed > 0) {
    body += html_tile("right", fmt::format("{:.1f} %", 100 * trained.accuracy.value),
                      fmt::format("{:.1f} % if it always thinks", 100 * trained.always.value));
    body += html_tile("tokens", fmt::format("{:.0f} %", 100 * trained.token_share.value),
                      "of always thinking");
  }
  body += html_tile("questions", fmt::format("{}", trained.judged.size()),
                    fmt::format("{} need reasoning", trained.positives));
  body += "</div>\n<div class=\"plots\">\n";
  if (trained.routed > 0) {
    body += routing_figure(trained, /*by_tokens=*/false);
    body += routing_figure(trained, /*by_tokens=*/true);
  }
  body += roc_figure("Questions that need reasoning told apart, by threshold", "those that need it",
                     trained.judged);
  body += reliability_figure("How often questions with a probability need reasoning",
                             "those that need it", trained.reliability);
  body += "</div>\n<p>Each question is judged by a switcher that did not see it.";
  if (trained.routed > 0) {
    body += fmt::format(
        " With the threshold that others choose to keep {:g} % of the accuracy, the switcher is {} "
        "points over that target, with {} of the tokens.",
        100 * keep, percent_points_text(trained.kept), share_text(trained.token_share));
  }
  return html_page("Switcher", body + "</p>\n" + html_settings(settings));
}

}  // namespace pith
