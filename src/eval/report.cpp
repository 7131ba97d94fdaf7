#include "eval/report.h"

#include <nlohmann/json.hpp>

#include "base/progress.h"
#include "eval/report_text.h"
#include "io/json_null.h"

namespace pith {
namespace {

using nlohmann::ordered_json;

// {"pass_at_1": {..}, "maj_at": {"2": {..}, "4": {..}}, "weighted_at": {"confidence": {"2": ..}}}
ordered_json metrics_json(const std::vector<MetricEstimate>& metrics) {
  ordered_json object = ordered_json::object();
  for (const MetricEstimate& metric : metrics) {
    const MetricName& name = metric.name;
    ordered_json* place = &object[name.figure];
    if (name.rule != VoteRule::majority) place = &(*place)[std::string(vote_rule_name(name.rule))];
    if (name.k > 0) place = &(*place)[std::to_string(name.k)];
    *place = estimate_json(metric.estimate);
  }
  return object;
}

ordered_json early_stop_json(const EarlyStop& stop) {
  return {{"stop_at", value_or_null<ordered_json>(stop.stop_at)},
          {"accuracy", estimate_json(stop.accuracy)},
          {"difference", estimate_json(stop.difference)},
          {"samples", estimate_json(stop.samples)},
          {"tokens", estimate_json(stop.tokens)},
          {"saved_samples", stop.saved_samples},
          {"saved_tokens", stop.saved_tokens}};
}

// The members that say something of the votes by each rule.
ordered_json votes_json(const Summary& summary) {
  ordered_json stops = ordered_json::object();
  ordered_json reliability = {{"score", reliability_json(summary.score)}};
  ordered_json calibration = ordered_json::object();
  for (const VoteSummary& vote : summary.votes) {
    const std::string rule(vote_rule_name(vote.rule));
    stops[rule] = ordered_json::array();
    for (const EarlyStop& stop : vote.early_stops) stops[rule].push_back(early_stop_json(stop));
    reliability[rule] = {{"agreement", reliability_json(vote.agreement)}};
    if (!vote.calibrated) continue;
    reliability[rule]["calibrated"] = reliability_json(*vote.calibrated);
    calibration[rule] = vote.calibration->to_json();
  }
  return {{"early_stop", std::move(stops)},
          {"reliability", std::move(reliability)},
          {"calibration", std::move(calibration)},
          {"left_out", summary.left_out}};
}

std::string estimate_text(const MetricName& name, const Estimate& estimate) {
  if (is_share(name)) {
    return fmt::format("{:6.1f} %  [{:.1f}, {:.1f}]", 100 * estimate.value, 100 * estimate.low,
                       100 * estimate.high);
  }
  return fmt::format("{:6.1f}    [{:.1f}, {:.1f}]", estimate.value, estimate.low, estimate.high);
}

std::string votes_table(const VoteSummary& vote) {
  std::string out = fmt::format("early stop of votes by {}\n", vote_rule_name(vote.rule));
  for (const EarlyStop& stop : vote.early_stops) {
    out += fmt::format("  {:<12} {}, {:.1f} samples, {} of the tokens saved\n",
                       stop_label(stop.stop_at), estimate_text({"maj_at"}, stop.accuracy),
                       stop.samples.value, percent_text(stop.saved_tokens));
  }
  const auto line = [&](const char* label, const Reliability& reliability) {
    out += fmt::format("  {:<12} Brier score {:.3f}, calibration error {}\n", label,
                       reliability.brier, percent_text(reliability.calibration_error));
  };
  line("agreement", vote.agreement);
  if (vote.calibrated) line("calibrated", *vote.calibrated);
  return out;
}

std::string left_out_lines(const std::vector<std::string>& left_out) {
  std::string out;
  for (const std::string& line : left_out) out += line + "\n";
  return out;
}

double percent(int64_t part, int64_t whole) {
  return whole > 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(whole) : 0;
}

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

ordered_json report_json(const EvalRun& run, const Summary& summary) {
  ordered_json object = {{"questions", run.questions.size()}};
  const MetricName& headline = summary.headline;
  object["vote"] = {{"rule", vote_rule_name(headline.rule)}, {"samples", headline.k}};
  object["vote"].update(estimate_json(*find(summary, headline)));
  object.update(metrics_json(summary.metrics));
  ordered_json quantiles = ordered_json::object();
  for (const auto& [name, value] : summary.token_quantiles) quantiles[name] = value;
  object["token_quantiles"] = std::move(quantiles);
  object["sample_count"] = summary.sample_count;
  object["truncated"] = summary.truncated;
  object["thinking"] = summary.thinking;
  object["unanswered"] = summary.unanswered;
  object["prompt_tokens"] = summary.prompt_tokens;
  object["completion_tokens"] = summary.completion_tokens;
  object["tokens_per_second"] = summary.tokens_per_second;
  object.update(votes_json(summary));
  object.update(to_json(run));
  return object;
}

std::string report_table(const EvalRun& run, const Summary& summary) {
  std::string out = fmt::format("{}, {}, {} questions, {} samples each\n", run.model, run.task,
                                run.questions.size(), run.samples);
  const MetricName& headline = summary.headline;
  if (headline.k > 1) {
    out += fmt::format("vote of {} by {}: {}\n", headline.k, vote_rule_name(headline.rule),
                       estimate_text(headline, *find(summary, headline)));
  }
  for (const MetricEstimate& metric : summary.metrics) {
    if (metric.name.k == 1) continue;  // that is pass@1
    out += fmt::format("{:<14} {}\n", metric_label(metric.name),
                       estimate_text(metric.name, metric.estimate));
  }
  for (const auto& [name, value] : summary.token_quantiles) {
    out += fmt::format("{:<14} {:6.0f}\n", "tokens " + name, value);
  }
  out += fmt::format("{:<14} {:6.1f} %  ({} of {})\n", "truncated",
                     percent(summary.truncated, summary.sample_count), summary.truncated,
                     summary.sample_count);
  out += fmt::format("{:<14} {:6.1f} %  ({} of {})\n", "no answer",
                     percent(summary.unanswered, summary.sample_count), summary.unanswered,
                     summary.sample_count);
  for (const VoteSummary& vote : summary.votes) out += votes_table(vote);
  out += left_out_lines(summary.left_out);
  out += fmt::format("{} tokens written in {}, {:.1f} tokens/s\n", summary.completion_tokens,
                     format_duration(run.seconds), summary.tokens_per_second);
  return out;
}

namespace {

ordered_json routing_json(const std::vector<RoutingPoint>& curve) {
  ordered_json points = ordered_json::array();
  for (const RoutingPoint& point : curve) {
    points.push_back({{"share", point.share},
                      {"threshold", point.threshold},
                      {"accuracy", point.accuracy},
                      {"tokens", point.tokens}});
  }
  return points;
}

std::string routing_table(const std::vector<RoutingPoint>& curve) {
  if (curve.empty()) return "";
  std::string out = "share that reasons, by the switcher: accuracy, tokens of a sample\n";
  for (const RoutingPoint& point : curve) {
    out += fmt::format("  {:3.0f} %  from {:.3f}  {:5.1f} %  {:6.1f}\n", 100 * point.share,
                       point.threshold, 100 * point.accuracy, point.tokens);
  }
  return out;
}

}  // namespace

ordered_json comparison_json(const Comparison& comparison) {
  return {{"questions", comparison.questions},
          {"a", metrics_json(comparison.a)},
          {"b", metrics_json(comparison.b)},
          {"difference", metrics_json(comparison.difference)},
          {"routing", routing_json(comparison.routing)},
          {"left_out", comparison.left_out}};
}

std::string comparison_table(const Comparison& comparison) {
  std::string out = fmt::format(
      "{} questions that both runs have; B - A with its 95 % interval\n{:<14} {:>8} "
      "{:>8}   {}\n",
      comparison.questions, "", "A", "B", "B - A");
  for (size_t i = 0; i < comparison.difference.size(); ++i) {
    const MetricEstimate& difference = comparison.difference[i];
    const double scale = is_share(difference.name) ? 100 : 1;
    const Estimate& d = difference.estimate;
    const bool clear = d.low > 0 || d.high < 0;
    out += fmt::format("{:<14} {:8.1f} {:8.1f}   {:+.1f}  [{:+.1f}, {:+.1f}]{}\n",
                       metric_label(difference.name), scale * comparison.a[i].estimate.value,
                       scale * comparison.b[i].estimate.value, scale * d.value, scale * d.low,
                       scale * d.high, clear ? " *" : "");
  }
  return out + left_out_lines(comparison.left_out) + "* the interval leaves out 0\n" +
         routing_table(comparison.routing);
}

}  // namespace pith
