#include "eval/html_report.h"

#include "base/progress.h"
#include "eval/report_plots.h"
#include "eval/report_text.h"
#include "report/html_page.h"
#include "report/svg_plot.h"

namespace pith {
namespace {

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
    out += html_tile(metric_label(name), value_text(name, estimate->value),
                     interval_text(name, *estimate));
  }
  out += html_tile(
      "cut off",
      percent_text(summary.sample_count > 0 ? static_cast<double>(summary.truncated) /
                                                  static_cast<double>(summary.sample_count)
                                            : 0),
      fmt::format("{} of {} samples", summary.truncated, summary.sample_count));
  out += html_tile(
      "speed", fmt::format("{:.1f}/s", summary.tokens_per_second),
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

// What the two runs are, and where their settings differ.
std::string runs_table(const EvalRun& a, const EvalRun& b) {
  std::string out = "<h2>Runs</h2>\n<div class=\"wide\"><table><tr><th><th>A<th>B</tr>\n";
  const auto row = [&](const std::string& name, const nlohmann::ordered_json& of_a,
                       const nlohmann::ordered_json& of_b) {
    out += fmt::format("<tr><td>{}<td class=\"v\">{}<td class=\"v\">{}</tr>\n", escape_html(name),
                       html_cell(of_a), html_cell(of_b));
  };
  row("model", a.model, b.model);
  row("questions", a.questions.size(), b.questions.size());
  row("samples of each", a.samples, b.samples);
  nlohmann::ordered_json all = a.settings;
  all.update(b.settings);
  for (const auto& [name, unused] : all.items()) {
    const auto of_a = a.settings.value(name, nlohmann::ordered_json());
    const auto of_b = b.settings.value(name, nlohmann::ordered_json());
    if (of_a != of_b) row(name, of_a, of_b);
  }
  return out + "</table></div>\n";
}

std::string difference_table(const Comparison& comparison) {
  std::string out =
      "<h2>Figures</h2>\n<div class=\"wide\"><table><tr><th>figure<th class=\"n\">A"
      "<th class=\"n\">B<th class=\"n\">B - A<th class=\"n\">95 % interval</tr>\n";
  for (size_t i = 0; i < comparison.difference.size(); ++i) {
    const auto& [name, d] = comparison.difference[i];
    if (name.k == 1) continue;  // that is pass@1
    const bool clear = d.low > 0 || d.high < 0;
    out += fmt::format(
        "<tr><td>{0}<td class=\"n\">{1}<td class=\"n\">{2}<td class=\"n\">{5}{3}{6}"
        "<td class=\"n\">{4}</tr>\n",
        metric_label(name), value_text(name, comparison.a[i].estimate.value),
        value_text(name, comparison.b[i].estimate.value), value_text(name, d.value),
        interval_text(name, d), clear ? "<b>" : "", clear ? "</b>" : "");
  }
  return out + "</table></div>\n";
}

std::string routing_rows(const std::vector<RoutingPoint>& curve) {
  if (curve.empty()) return "";
  std::string out =
      "<h2>Routing</h2>\n<div class=\"wide\"><table><tr><th class=\"n\">share that reasons"
      "<th class=\"n\">from a probability of<th class=\"n\">right<th class=\"n\">tokens of a "
      "sample</tr>\n";
  for (const RoutingPoint& point : curve) {
    out += fmt::format(
        "<tr><td class=\"n\">{:.0f} %<td class=\"n\">{:.3f}<td class=\"n\">{}<td "
        "class=\"n\">{:.1f}</tr>\n",
        100 * point.share, point.threshold, percent_text(point.accuracy), point.tokens);
  }
  return out + "</table></div>\n";
}

}  // namespace

std::string report_html(const EvalRun& run, const Summary& summary) {
  std::string out = fmt::format(
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
  out += html_settings(run.settings);
  return html_page(fmt::format("{} on {}", run.model, run.task), out);
}

std::string comparison_html(const EvalRun& a, const EvalRun& b, const Comparison& comparison) {
  std::string out = fmt::format(
      "<p>{} questions that both runs have. Ranges are 95 % bootstrap intervals over the "
      "questions' differences; a difference whose interval leaves out 0 is bold.</p>\n",
      comparison.questions);
  for (const std::string& line : comparison.left_out) out += "<p>" + escape_html(line) + ".</p>\n";
  out += comparison_plots(comparison);
  out += difference_table(comparison);
  out += routing_rows(comparison.routing);
  out += runs_table(a, b);
  return html_page(fmt::format("Two runs on {}", a.task), out);
}

}  // namespace pith
