#include "eval/html_report.h"

#include <algorithm>
#include <cmath>

#include "base/progress.h"
#include "eval/report.h"
#include "eval/svg_plot.h"

namespace pith {
namespace {

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--back:#fff;--text:#1b1f24;--soft:#5b626c;--line:#dcdfe4;--card:#f6f7f9}
@media(prefers-color-scheme:dark){
:root{--back:#14171b;--text:#e6e8eb;--soft:#a2a9b3;--line:#343a43;--card:#1c2026}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1020px;padding:24px 16px 48px;background:var(--back);color:var(--text);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:24px;margin:0}h2{font-size:17px;margin:32px 0 8px}p{margin:4px 0;color:var(--soft)}
.tiles,.plots{display:grid;gap:12px}
.tiles{grid-template-columns:repeat(auto-fit,minmax(124px,1fr));margin-top:20px}
.plots{grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));margin-top:12px}
.tile,figure{margin:0;padding:12px;border:1px solid var(--line);border-radius:8px;background:var(--card)}
.tile b{display:block;font-size:24px}.tile span,figcaption{color:var(--soft);font-size:13px}
figcaption{margin-bottom:6px}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:14px}
th,td{padding:4px 10px 4px 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.v{overflow-wrap:anywhere}summary{cursor:pointer;margin:24px 0 8px;font-weight:600}
)";

constexpr int kBars = 30;

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string value_text(const std::string& name, double value) {
  return is_share(name) ? percent(value) : fmt::format("{:.1f}", value);
}

std::string interval_text(const std::string& name, const Estimate& estimate) {
  return fmt::format("{} to {}", value_text(name, estimate.low), value_text(name, estimate.high));
}

std::string tile(const std::string& label, const std::string& value, const std::string& note) {
  return fmt::format("<div class=\"tile\"><span>{}</span><b>{}</b><span>{}</span></div>\n",
                     escape_html(label), escape_html(value), escape_html(note));
}

std::string tiles(const EvalRun& run, const Summary& summary) {
  std::string out = "<div class=\"tiles\">\n";
  for (const auto& [name, k] : {std::pair<std::string, int>{"pass_at_1", 0},
                                {"greedy", 0},
                                {"maj_at", run.samples},
                                {"weighted_at", run.samples},
                                {"mean_tokens", 0}}) {
    const Estimate* estimate = find(summary, name, k);
    if (estimate == nullptr || (k == 1 && name != "pass_at_1")) continue;
    out += tile(metric_label(name, k), value_text(name, estimate->value),
                interval_text(name, *estimate));
  }
  out += tile("cut off",
              percent(summary.sample_count > 0 ? static_cast<double>(summary.truncated) /
                                                     static_cast<double>(summary.sample_count)
                                               : 0),
              fmt::format("{} of {} samples", summary.truncated, summary.sample_count));
  out +=
      tile("speed", fmt::format("{:.1f}/s", summary.tokens_per_second),
           fmt::format("{} tokens in {}", summary.completion_tokens, format_duration(run.seconds)));
  return out + "</div>\n";
}

PlotPoint point_of(const MetricEstimate& metric, double x) {
  return {x, metric.estimate.value, metric.estimate.low, metric.estimate.high,
          fmt::format("{}: {} ({})", metric_label(metric.name, metric.k),
                      percent(metric.estimate.value), interval_text(metric.name, metric.estimate))};
}

// The metrics of the name by k; `scale` times k is their x.
PlotSeries series_of(const Summary& summary, std::string name, std::string_view metric,
                     double scale) {
  PlotSeries series{std::move(name), {}};
  for (const MetricEstimate& estimate : summary.metrics) {
    if (estimate.name == metric) series.points.push_back(point_of(estimate, scale * estimate.k));
  }
  return series;
}

std::string tokens_plot(const Summary& summary) {
  const double tokens = std::max(find(summary, "mean_tokens")->value, 1.0);
  std::vector<PlotSeries> series = {series_of(summary, "majority", "maj_at", tokens),
                                    series_of(summary, "weighted", "weighted_at", tokens)};
  const Estimate* greedy = find(summary, "greedy");
  const Estimate* greedy_tokens = find(summary, "greedy_tokens");
  if (greedy != nullptr && greedy_tokens != nullptr) {
    series.push_back({"greedy",
                      {point_of({"greedy", 0, *greedy}, std::max(greedy_tokens->value, 1.0))},
                      /*line=*/false});
  }
  return point_plot({"tokens a question", /*logarithmic=*/true, false}, {"right", false, true},
                    series);
}

std::string branches_plot(const Summary& summary) {
  return point_plot({"samples a question, N", /*logarithmic=*/true, false}, {"right", false, true},
                    {series_of(summary, "majority", "maj_at", 1),
                     series_of(summary, "weighted", "weighted_at", 1),
                     series_of(summary, "any (pass@N)", "pass_at", 1)});
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

PlotSeries reliability_series(std::string name, const Reliability& reliability) {
  PlotSeries series{std::move(name), {}};
  for (const ReliabilityBin& bin : reliability.bins) {
    if (bin.count == 0) continue;
    // 95 % by the normal approximation; the bin's own share, not resampled.
    const double half = 1.96 * std::sqrt(bin.accuracy * (1 - bin.accuracy) / bin.count);
    series.points.push_back({bin.confidence, bin.accuracy, std::max(bin.accuracy - half, 0.0),
                             std::min(bin.accuracy + half, 1.0),
                             fmt::format("{} right of {} with confidence {}", percent(bin.accuracy),
                                         bin.count, percent(bin.confidence))});
  }
  return series;
}

std::string reliability_plot(const EvalRun& run, const Summary& summary) {
  std::vector<PlotSeries> series = {reliability_series("score of a sample", summary.score)};
  if (run.samples > 1) {
    series.insert(series.begin(), reliability_series("agreement of the vote", summary.agreement));
  }
  return point_plot({"confidence", false, true}, {"right", false, true}, series, /*diagonal=*/true);
}

std::string figure(const std::string& caption, const std::string& plot) {
  return fmt::format("<figure><figcaption>{}</figcaption>{}</figure>\n", escape_html(caption),
                     plot);
}

std::string plots(const EvalRun& run, const Summary& summary) {
  std::string out = "<div class=\"plots\">\n";
  if (run.samples > 1) {
    out += figure("What more tokens buy: N samples cost N times the tokens of one",
                  tokens_plot(summary));
    out += figure("What more samples buy, by kind of vote", branches_plot(summary));
  }
  out += figure("How long the samples are", length_plot(run, summary));
  out += figure(fmt::format("How far confidence can be trusted (calibration error {})",
                            percent(run.samples > 1 ? summary.agreement.calibration_error
                                                    : summary.score.calibration_error)),
                reliability_plot(run, summary));
  return out + "</div>\n";
}

std::string metrics_table(const Summary& summary) {
  std::string out =
      "<h2>Figures</h2>\n<div class=\"wide\"><table><tr><th>figure<th class=\"n\">value"
      "<th class=\"n\">95 % interval</tr>\n";
  for (const MetricEstimate& metric : summary.metrics) {
    if (metric.k == 1) continue;  // that is pass@1
    out += fmt::format("<tr><td>{}<td class=\"n\">{}<td class=\"n\">{}</tr>\n",
                       metric_label(metric.name, metric.k),
                       value_text(metric.name, metric.estimate.value),
                       interval_text(metric.name, metric.estimate));
  }
  for (const auto& [name, value] : summary.token_quantiles) {
    out += fmt::format("<tr><td>tokens, {}<td class=\"n\">{:.0f}<td></tr>\n", name, value);
  }
  out += fmt::format("<tr><td>samples without an answer<td class=\"n\">{}<td></tr>\n",
                     summary.unanswered);
  return out + "</table></div>\n";
}

std::string settings_table(const EvalRun& run) {
  std::string out = "<h2>Settings</h2>\n<div class=\"wide\"><table>\n";
  for (const auto& [name, value] : run.settings.items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    out += fmt::format("<tr><td>{}<td class=\"v\">{}</tr>\n", escape_html(name), escape_html(text));
  }
  return out + "</table></div>\n";
}

std::string questions_table(const EvalRun& run) {
  std::string out = fmt::format(
      "<details><summary>All {} questions</summary>\n<div class=\"wide\"><table><tr><th>question"
      "<th>right answer<th>answers<th class=\"n\">right<th class=\"n\">tokens</tr>\n",
      run.questions.size());
  for (const QuestionResult& question : run.questions) {
    std::string answers;
    int correct = 0;
    int64_t tokens = 0;
    for (const SampleResult& sample : question.samples) {
      answers += answers.empty() ? "" : ", ";
      answers += sample.answer.empty() ? "-" : printable(sample.answer, 40);
      correct += sample.correct ? 1 : 0;
      tokens += sample.tokens;
    }
    out += fmt::format(
        "<tr><td>{}<td class=\"v\">{}<td class=\"v\">{}<td class=\"n\">{}/{}<td "
        "class=\"n\">{:.0f}</tr>\n",
        escape_html(printable(question.id, 60)), escape_html(printable(question.gold, 80)),
        escape_html(answers), correct, run.samples, static_cast<double>(tokens) / run.samples);
  }
  return out + "</table></div></details>\n";
}

}  // namespace

std::string report_html(const EvalRun& run, const Summary& summary) {
  const std::string title = escape_html(fmt::format("{} on {}", run.model, run.task));
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<title>{0}</title>\n<style>{1}{2}</style></head>\n<body>\n<h1>{0}</h1>\n",
      title, kStyle, kPlotStyle);
  out += fmt::format(
      "<p>{} questions of {}, {} samples each{}. Ranges are 95 % bootstrap intervals over "
      "questions.</p>\n",
      run.questions.size(), escape_html(run.data), run.samples,
      run.greedy ? " and a greedy one" : "");
  out += tiles(run, summary);
  out += plots(run, summary);
  out += metrics_table(summary);
  out += questions_table(run);
  out += settings_table(run);
  return out + "</body></html>\n";
}

}  // namespace pith
