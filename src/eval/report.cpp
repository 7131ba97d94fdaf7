#include "eval/report.h"

#include <nlohmann/json.hpp>

#include "base/progress.h"

namespace pith {
namespace {

using nlohmann::ordered_json;

ordered_json estimate_json(const Estimate& estimate) {
  return {{"value", estimate.value}, {"low", estimate.low}, {"high", estimate.high}};
}

// {"pass_at_1": {..}, "maj_at": {"2": {..}, "4": {..}}}
ordered_json metrics_json(const std::vector<MetricEstimate>& metrics) {
  ordered_json object = ordered_json::object();
  for (const MetricEstimate& metric : metrics) {
    ordered_json value = estimate_json(metric.estimate);
    if (metric.k > 0) {
      object[metric.name][std::to_string(metric.k)] = std::move(value);
    } else {
      object[metric.name] = std::move(value);
    }
  }
  return object;
}

ordered_json reliability_json(const Reliability& reliability) {
  ordered_json bins = ordered_json::array();
  for (const ReliabilityBin& bin : reliability.bins) {
    bins.push_back(
        {{"count", bin.count}, {"confidence", bin.confidence}, {"accuracy", bin.accuracy}});
  }
  return {{"calibration_error", reliability.calibration_error}, {"bins", std::move(bins)}};
}

std::string estimate_text(const std::string& name, const Estimate& estimate) {
  if (is_share(name)) {
    return fmt::format("{:6.1f} %  [{:.1f}, {:.1f}]", 100 * estimate.value, 100 * estimate.low,
                       100 * estimate.high);
  }
  return fmt::format("{:6.1f}    [{:.1f}, {:.1f}]", estimate.value, estimate.low, estimate.high);
}

double percent(int64_t part, int64_t whole) {
  return whole > 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(whole) : 0;
}

}  // namespace

ordered_json report_json(const EvalRun& run, const Summary& summary) {
  ordered_json object = {{"questions", run.questions.size()}};
  object.update(metrics_json(summary.metrics));
  ordered_json quantiles = ordered_json::object();
  for (const auto& [name, value] : summary.token_quantiles) quantiles[name] = value;
  object["token_quantiles"] = std::move(quantiles);
  object["sample_count"] = summary.sample_count;
  object["truncated"] = summary.truncated;
  object["unanswered"] = summary.unanswered;
  object["prompt_tokens"] = summary.prompt_tokens;
  object["completion_tokens"] = summary.completion_tokens;
  object["tokens_per_second"] = summary.tokens_per_second;
  object["reliability"] = {{"score", reliability_json(summary.score)}};
  if (run.samples > 1) object["reliability"]["agreement"] = reliability_json(summary.agreement);
  object.update(to_json(run));
  return object;
}

std::string report_table(const EvalRun& run, const Summary& summary) {
  std::string out = fmt::format("{}, {}, {} questions, {} samples each\n", run.model, run.task,
                                run.questions.size(), run.samples);
  for (const MetricEstimate& metric : summary.metrics) {
    if (metric.k == 1) continue;  // that is pass@1
    out += fmt::format("{:<14} {}\n", metric_label(metric.name, metric.k),
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
  out += fmt::format("{} tokens written in {}, {:.1f} tokens/s\n", summary.completion_tokens,
                     format_duration(run.seconds), summary.tokens_per_second);
  return out;
}

ordered_json comparison_json(const Comparison& comparison) {
  return {{"questions", comparison.questions},
          {"a", metrics_json(comparison.a)},
          {"b", metrics_json(comparison.b)},
          {"difference", metrics_json(comparison.difference)}};
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
    out +=
        fmt::format("{:<14} {:8.1f} {:8.1f}   {:+.1f}  [{:+.1f}, {:+.1f}]{}\n",
                    metric_label(difference.name, difference.k),
                    scale * comparison.a[i].estimate.value, scale * comparison.b[i].estimate.value,
                    scale * d.value, scale * d.low, scale * d.high, clear ? " *" : "");
  }
  return out + "* the interval leaves out 0\n";
}

std::string metric_label(const std::string& name, int k) {
  if (name == "pass_at_1") return "pass@1";
  if (name == "greedy") return "greedy";
  if (name == "mean_tokens") return "tokens";
  if (name == "greedy_tokens") return "greedy tokens";
  const std::string stem = name.substr(0, name.find("_at"));
  return fmt::format("{}@{}", stem, k);
}

bool is_share(const std::string& name) { return name.find("tokens") == std::string::npos; }

}  // namespace pith
