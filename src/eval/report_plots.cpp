#include "eval/report_plots.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "eval/report_text.h"
#include "report/html_page.h"
#include "report/svg_plot.h"

namespace pith {
namespace {

constexpr int kBars = 30;

PlotPoint point_of(const MetricEstimate& metric, double x) {
  return {x, metric.estimate.value, metric.estimate.low, metric.estimate.high,
          fmt::format("{}: {} ({})", metric_label(metric.name), percent_text(metric.estimate.value),
                      interval_text(metric.name, metric.estimate))};
}

// The figure by k; `scale` times k is their x.
PlotSeries series_of(const std::vector<MetricEstimate>& metrics, std::string label,
                     std::string_view figure, VoteRule rule, double scale) {
  PlotSeries series{std::move(label), {}};
  for (const MetricEstimate& metric : metrics) {
    if (metric.name.figure != figure || metric.name.rule != rule) continue;
    series.points.push_back(point_of(metric, scale * metric.name.k));
  }
  return series;
}

// One series for each kind of vote.
std::vector<PlotSeries> vote_series(const Summary& summary, double scale) {
  std::vector<PlotSeries> series;
  for (const VoteSummary& vote : summary.votes) {
    series.push_back(series_of(summary.metrics, std::string(vote_rule_name(vote.rule)),
                               vote_figure(vote.rule), vote.rule, scale));
  }
  return series;
}

std::string tokens_plot(const Summary& summary) {
  const double tokens = std::max(find(summary, {"mean_tokens"})->value, 1.0);
  std::vector<PlotSeries> series = vote_series(summary, tokens);
  const Estimate* greedy = find(summary, {"greedy"});
  const Estimate* greedy_tokens = find(summary, {"greedy_tokens"});
  if (greedy != nullptr && greedy_tokens != nullptr) {
    series.push_back({"greedy",
                      {point_of({{"greedy"}, *greedy}, std::max(greedy_tokens->value, 1.0))},
                      /*line=*/false});
  }
  return point_plot({"tokens a question", /*logarithmic=*/true, false}, {"right", false, true},
                    series);
}

std::string branches_plot(const Summary& summary) {
  std::vector<PlotSeries> series = vote_series(summary, 1);
  series.push_back(series_of(summary.metrics, "any (pass@N)", "pass_at", VoteRule::majority, 1));
  return point_plot({"samples a question, N", /*logarithmic=*/true, false}, {"right", false, true},
                    series);
}

std::string length_plot(const EvalRun& run, const Summary& summary) {
  const int32_t longest = *std::max_element(summary.tokens.begin(), summary.tokens.end());
  const double width = std::max(1.0, std::ceil((longest + 1.0) / kBars));
  std::vector<PlotBar> bars;
  for (int i = 0; i * width <= longest; ++i) bars.push_back({i * width, (i + 1) * width, {0, 0}});
  for (const QuestionResult& question : run.questions) {
    for (const SampleResult& sample : question.samples) {
      bars[static_cast<size_t>(sample.tokens / width)].parts[sample.correct ? 0 : 1] += 1;
    }
  }
  return bar_plot({"tokens of a sample"}, {"samples"}, {"right", "wrong"}, bars);
}

constexpr auto kSayOfVote = [](const ReliabilityBin& bin) {
  return fmt::format("{} right of {} with confidence {}", percent_text(bin.accuracy), bin.count,
                     percent_text(bin.confidence));
};

std::string reliability_plot(const std::vector<PlotSeries>& series) {
  return point_plot({"confidence", false, true}, {"right", false, true}, series, /*diagonal=*/true);
}

std::string vote_reliability(const VoteSummary& vote) {
  std::vector<PlotSeries> series = {reliability_series("agreement", vote.agreement, kSayOfVote)};
  std::string caption =
      fmt::format("How far the agreement of votes by {} can be trusted: calibration error {}",
                  vote_rule_name(vote.rule), percent_text(vote.agreement.calibration_error));
  if (vote.calibrated) {
    series.push_back(reliability_series("calibrated", *vote.calibrated, kSayOfVote));
    caption += fmt::format(", calibrated {}", percent_text(vote.calibrated->calibration_error));
  }
  return html_figure(caption, reliability_plot(series));
}

// What B does better, in points of percent, by N.
std::string difference_plot(const std::vector<MetricEstimate>& differences) {
  std::vector<PlotSeries> series;
  double largest = 1;
  for (const MetricEstimate& metric : differences) {
    const MetricName& name = metric.name;
    if (name.figure != vote_figure(name.rule)) continue;
    const std::string label(vote_rule_name(name.rule));
    if (series.empty() || series.back().name != label) series.push_back({label, {}});
    const Estimate& d = metric.estimate;
    series.back().points.push_back(
        {static_cast<double>(name.k), 100 * d.value, 100 * d.low, 100 * d.high,
         fmt::format("{}: {:+.1f} ({:+.1f} to {:+.1f})", metric_label(name), 100 * d.value,
                     100 * d.low, 100 * d.high)});
    largest = std::max(largest, static_cast<double>(name.k));
  }
  series.push_back({"no difference",
                    {{1, 0, 0, 0, ""}, {largest, 0, 0, 0, ""}},
                    /*line=*/true,
                    /*dots=*/false});
  return point_plot({"samples a question, N", /*logarithmic=*/true, false},
                    {"B - A, points of percent"}, series);
}

// A straight line is what a coin would do.
std::string routing_plot(const std::vector<RoutingPoint>& curve) {
  PlotSeries switcher{"by the switcher", {}};
  for (const RoutingPoint& point : curve) {
    switcher.points.push_back({point.tokens, point.accuracy, point.accuracy, point.accuracy,
                               fmt::format("{:.0f} % reason, from a probability of {:.3f}: {} with "
                                           "{:.1f} tokens",
                                           100 * point.share, point.threshold,
                                           percent_text(point.accuracy), point.tokens)});
  }
  const PlotSeries lot{
      "by lot", {switcher.points.front(), switcher.points.back()}, /*line=*/true, /*dots=*/false};
  return point_plot({"tokens of a sample"}, {"right", false, true}, {switcher, lot});
}

}  // namespace

PlotSeries reliability_series(std::string name, const Reliability& reliability,
                              FunctionRef<std::string(const ReliabilityBin&)> say) {
  PlotSeries series{std::move(name), {}};
  for (const ReliabilityBin& bin : reliability.bins) {
    if (bin.count == 0) continue;
    // 95 % by the normal approximation; the bin's own share, not resampled.
    const double half = 1.96 * std::sqrt(bin.accuracy * (1 - bin.accuracy) / bin.count);
    series.points.push_back({bin.confidence, bin.accuracy, std::max(bin.accuracy - half, 0.0),
                             std::min(bin.accuracy + half, 1.0), say(bin)});
  }
  return series;
}

std::string report_plots(const EvalRun& run, const Summary& summary) {
  std::string out = "<div class=\"plots\">\n";
  if (!summary.votes.empty()) {
    out += html_figure("What more tokens buy: N samples cost N times the tokens of one",
                       tokens_plot(summary));
    out += html_figure("What more samples buy, by kind of vote", branches_plot(summary));
  }
  for (const VoteSummary& vote : summary.votes) out += vote_reliability(vote);
  out +=
      html_figure(fmt::format("How far the score of a sample can be trusted: calibration error {}",
                              percent_text(summary.score.calibration_error)),
                  reliability_plot({reliability_series("score", summary.score, kSayOfVote)}));
  out += html_figure("How long the samples are", length_plot(run, summary));
  return out + "</div>\n";
}

std::string comparison_plots(const Comparison& comparison) {
  std::string out = "<div class=\"plots\">\n";
  const std::vector<PlotSeries> votes = {
      series_of(comparison.a, "A", "maj_at", VoteRule::majority, 1),
      series_of(comparison.b, "B", "maj_at", VoteRule::majority, 1)};
  if (votes[0].points.size() > 1) {
    out += html_figure("What B does better, question by question",
                       difference_plot(comparison.difference));
    out += html_figure("Votes by majority",
                       point_plot({"samples a question, N", /*logarithmic=*/true, false},
                                  {"right", false, true}, votes));
  }
  if (!comparison.routing.empty()) {
    out += html_figure("What reasoning buys: each point sends a tenth of the questions more to it",
                       routing_plot(comparison.routing));
  }
  return out + "</div>\n";
}

}  // namespace pith
