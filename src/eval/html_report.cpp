#include "eval/html_report.h"

#include "base/progress.h"
#include "eval/report_plots.h"
#include "eval/report_text.h"
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

std::string tile(const std::string& label, const std::string& value, const std::string& note) {
  return fmt::format("<div class=\"tile\"><span>{}</span><b>{}</b><span>{}</span></div>\n",
                     escape_html(label), escape_html(value), escape_html(note));
}

std::string tiles(const EvalRun& run, const Summary& summary) {
  std::string out = "<div class=\"tiles\">\n";
  std::vector<MetricName> names;
  for (const VoteSummary& vote : summary.votes) {
    names.push_back({vote_figure(vote.rule), summary.headline.k, vote.rule});
  }
  names.insert(names.end(), {{"pass_at_1"}, {"greedy"}});
  names.push_back({"mean_tokens"});
  for (const MetricName& name : names) {
    const Estimate* estimate = find(summary, name);
    if (estimate == nullptr) continue;
    out +=
        tile(metric_label(name), value_text(name, estimate->value), interval_text(name, *estimate));
  }
  out += tile("cut off",
              percent_text(summary.sample_count > 0 ? static_cast<double>(summary.truncated) /
                                                          static_cast<double>(summary.sample_count)
                                                    : 0),
              fmt::format("{} of {} samples", summary.truncated, summary.sample_count));
  out +=
      tile("speed", fmt::format("{:.1f}/s", summary.tokens_per_second),
           fmt::format("{} tokens in {}", summary.completion_tokens, format_duration(run.seconds)));
  return out + "</div>\n";
}

std::string metrics_table(const Summary& summary) {
  std::string out =
      "<h2>Figures</h2>\n<div class=\"wide\"><table><tr><th>figure<th class=\"n\">value"
      "<th class=\"n\">95 % interval</tr>\n";
  for (const MetricEstimate& metric : summary.metrics) {
    if (metric.name.k == 1) continue;  // that is pass@1
    out += fmt::format("<tr><td>{}<td class=\"n\">{}<td class=\"n\">{}</tr>\n",
                       metric_label(metric.name), value_text(metric.name, metric.estimate.value),
                       interval_text(metric.name, metric.estimate));
  }
  for (const auto& [name, value] : summary.token_quantiles) {
    out += fmt::format("<tr><td>tokens, {}<td class=\"n\">{:.0f}<td></tr>\n", name, value);
  }
  out += fmt::format("<tr><td>samples without an answer<td class=\"n\">{}<td></tr>\n",
                     summary.unanswered);
  return out + "</table></div>\n";
}

std::string early_stop_table(const Summary& summary) {
  if (summary.votes.empty()) return {};
  std::string out =
      "<h2>Stopping early</h2>\n<p>Samples taken one after the other, until no further one can "
      "change the winner, or the leader is the winner with this probability. The difference is to "
      "the vote over all samples.</p>\n<div class=\"wide\"><table><tr><th>vote by<th>until"
      "<th class=\"n\">right<th class=\"n\">difference<th class=\"n\">95 % interval"
      "<th class=\"n\">samples<th class=\"n\">tokens<th class=\"n\">tokens saved</tr>\n";
  for (const VoteSummary& vote : summary.votes) {
    for (const EarlyStop& stop : vote.early_stops) {
      out += fmt::format(
          "<tr><td>{}<td>{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}"
          "<td class=\"n\">{:.1f}<td class=\"n\">{:.1f}<td class=\"n\">{}</tr>\n",
          vote_rule_name(vote.rule), stop_label(stop.stop_at), percent_text(stop.accuracy.value),
          percent_text(stop.difference.value), interval_text({"maj_at"}, stop.difference),
          stop.samples.value, stop.tokens.value, percent_text(stop.saved_tokens));
    }
  }
  return out + "</table></div>\n";
}

std::string confidence_table(const Summary& summary) {
  if (summary.votes.empty()) return {};
  std::string out =
      "<h2>Confidence</h2>\n<div class=\"wide\"><table><tr><th>of<th class=\"n\">Brier score"
      "<th class=\"n\">calibration error</tr>\n";
  const auto row = [&](VoteRule rule, const char* kind, const Reliability& reliability) {
    out += fmt::format("<tr><td>votes by {}, {}<td class=\"n\">{:.3f}<td class=\"n\">{}</tr>\n",
                       vote_rule_name(rule), kind, reliability.brier,
                       percent_text(reliability.calibration_error));
  };
  for (const VoteSummary& vote : summary.votes) {
    row(vote.rule, "agreement", vote.agreement);
    if (vote.calibrated) row(vote.rule, "calibrated", *vote.calibrated);
  }
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
  for (const std::string& line : summary.left_out) out += "<p>" + escape_html(line) + ".</p>\n";
  out += report_plots(run, summary);
  out += metrics_table(summary);
  out += early_stop_table(summary);
  out += confidence_table(summary);
  out += questions_table(run);
  out += settings_table(run);
  return out + "</body></html>\n";
}

}  // namespace pith
