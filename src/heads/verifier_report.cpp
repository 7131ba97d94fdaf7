#include "heads/verifier_report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "eval/report.h"
#include "heads/report_parts.h"
#include "report/html_page.h"
#include "report/svg_plot.h"

namespace pith {
namespace {

using nlohmann::ordered_json;

ordered_json variant_json(const ScoreVariant& variant) {
  ordered_json json = {{"name", variant.name},
                       {"in_pack", variant.in_pack},
                       {"auc", estimate_json(variant.auc)},
                       {"auc_within_questions", estimate_json(variant.auc_within)}};
  if (variant.path.empty()) return json;
  json["penalty"] = variant.penalty;
  json["validation_loss"] = variant.validation_loss;
  for (const PenaltyLoss& step : variant.path) {
    json["path"].push_back({step.penalty, step.loss});
  }
  return json;
}

std::string variants_table(const TrainedVerifier& trained) {
  std::string out =
      "<h2>Ways to score a sample</h2>\n<p>Each judged on questions that its fit did not see. "
      "Within questions: among the samples of one question, which is what a vote can use.</p>\n"
      "<div class=\"wide\"><table><tr><th>from<th class=\"n\">AUC<th class=\"n\">within questions"
      "<th class=\"n\">validation loss<th class=\"n\">penalty</tr>\n";
  for (size_t i = 0; i < trained.variants.size(); ++i) {
    const ScoreVariant& variant = trained.variants[i];
    const bool fitted = !variant.path.empty();
    out += fmt::format(
        "<tr><td>{}{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td "
        "class=\"n\">{}</tr>\n",
        escape_html(variant.name), i == trained.chosen ? " (taken)" : "", auc_text(variant.auc),
        auc_text(variant.auc_within), fitted ? fmt::format("{:.4f}", variant.validation_loss) : "",
        fitted ? fmt::format("{:g}", variant.penalty) : "");
  }
  return out + "</table></div>\n";
}

std::string votes_figure(const TrainedVerifier& trained) {
  PlotSeries majority{"majority", {}};
  PlotSeries weighted{"verifier", {}};
  for (const VoteGain& vote : trained.votes) {
    const auto point = [&](const Estimate& estimate) {
      return PlotPoint{static_cast<double>(vote.branches), estimate.value, estimate.low,
                       estimate.high,
                       fmt::format("votes of {}: {}", vote.branches, share_text(estimate))};
    };
    majority.points.push_back(point(vote.majority));
    weighted.points.push_back(point(vote.weighted));
  }
  return html_figure(
      "Votes, by how many samples take part",
      point_plot({"samples of a vote", true, false}, {"right", false, true}, {majority, weighted}));
}

std::string penalties_figure(const TrainedVerifier& trained) {
  std::vector<PlotSeries> series;
  for (const ScoreVariant& variant : trained.variants) {
    if (variant.path.empty()) continue;
    PlotSeries one{variant.name, {}};
    for (auto step = variant.path.rbegin(); step != variant.path.rend(); ++step) {
      one.points.push_back(
          {step->penalty, step->loss, step->loss, step->loss,
           fmt::format("{}, penalty {:g}: {:.4f}", variant.name, step->penalty, step->loss)});
    }
    series.push_back(std::move(one));
  }
  return html_figure("Loss on the folds for choices, by penalty",
                     point_plot({"penalty, as a power of ten"}, {"loss"}, series));
}

}  // namespace

ordered_json verifier_json(const TrainedVerifier& trained, const SampleSet& set,
                           const ordered_json& settings) {
  ordered_json json = {
      {"features", trained.features},
      {"samples", set.samples},
      {"questions", set.questions},
      {"trained_samples", trained.rows},
      {"trained_questions", trained.questions},
      {"right", trained.positives},
      {"auc", estimate_json(trained.variants[trained.chosen].auc)},
      {"auc_within_questions", estimate_json(trained.variants[trained.chosen].auc_within)},
      {"variants", ordered_json::array()},
      {"vote_prompts", trained.vote_questions},
      {"votes", ordered_json::array()},
      {"reliability", reliability_json(trained.reliability)}};
  for (const ScoreVariant& variant : trained.variants) {
    json["variants"].push_back(variant_json(variant));
  }
  for (const VoteGain& vote : trained.votes) {
    json["votes"].push_back({{"branches", vote.branches},
                             {"majority", estimate_json(vote.majority)},
                             {"weighted", estimate_json(vote.weighted)},
                             {"gain", estimate_json(vote.gain)}});
  }
  json["calibration"] = trained.calibration ? trained.calibration->to_json() : ordered_json();
  json["settings"] = settings;
  return json;
}

std::string verifier_table(const TrainedVerifier& trained) {
  std::string out = fmt::format("{} samples with an answer, {} right, of {} questions\n",
                                trained.rows, trained.positives, trained.questions);
  out += fmt::format("{:<26}{:<26}{}\n", "score from", "AUC", "AUC within questions");
  for (size_t i = 0; i < trained.variants.size(); ++i) {
    const ScoreVariant& variant = trained.variants[i];
    out += fmt::format("{:<26}{:<26}{}{}\n", variant.name, auc_text(variant.auc),
                       auc_text(variant.auc_within), i == trained.chosen ? "  taken" : "");
  }
  for (const VoteGain& vote : trained.votes) {
    out += fmt::format("votes of {}: majority {}, verifier {}, {} points\n", vote.branches,
                       share_text(vote.majority), share_text(vote.weighted),
                       percent_points_text(vote.gain));
  }
  return out;
}

std::string verifier_page(const TrainedVerifier& trained, const SampleSet& set,
                          const ordered_json& settings) {
  const ScoreVariant& chosen = trained.variants[trained.chosen];
  std::string body = "<div class=\"tiles\">\n";
  body += html_tile("AUC", fmt::format("{:.3f}", chosen.auc.value),
                    fmt::format("{:.3f} to {:.3f}", chosen.auc.low, chosen.auc.high));
  body += html_tile("within questions", fmt::format("{:.3f}", chosen.auc_within.value),
                    fmt::format("{:.3f} to {:.3f}", chosen.auc_within.low, chosen.auc_within.high));
  if (!trained.votes.empty()) {
    const VoteGain& vote = trained.votes.back();
    body += html_tile(fmt::format("vote of {}", vote.branches),
                      fmt::format("{:.1f} %", 100 * vote.weighted.value),
                      percent_points_text(vote.gain) + " to majority");
  }
  body += html_tile("samples", fmt::format("{}", trained.rows),
                    fmt::format("of {} questions", trained.questions));
  body += "</div>\n<div class=\"plots\">\n";
  body +=
      roc_figure("Right and wrong samples told apart, by threshold", "right ones", trained.judged);
  body += reliability_figure(
      fmt::format("How often samples with a score are right: calibration error {:.1f} %",
                  100 * trained.reliability.calibration_error),
      "right ones", trained.reliability);
  if (!trained.votes.empty()) body += votes_figure(trained);
  body += penalties_figure(trained);
  body += "</div>\n" + variants_table(trained);
  body += fmt::format(
      "<p>{} samples of {} questions were read; left out: {} not known to be right or wrong, {} "
      "twice there, {} too long. Votes are over {} prompts with as many samples as most.</p>\n",
      set.samples, set.questions, set.unknown, set.repeated, set.too_long, trained.vote_questions);
  return html_page("Verifier", body + html_settings(settings));
}

}  // namespace pith
