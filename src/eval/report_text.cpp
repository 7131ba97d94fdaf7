#include "eval/report_text.h"

#include <fmt/format.h>

namespace pith {

std::string metric_label(const MetricName& name) {
  if (name.figure == "pass_at_1") return "pass@1";
  if (name.figure == "greedy") return "greedy";
  if (name.figure == "mean_tokens") return "tokens";
  if (name.figure == "greedy_tokens") return "greedy tokens";
  if (name.figure == "weighted_at") return fmt::format("{}@{}", vote_rule_name(name.rule), name.k);
  return fmt::format("{}@{}", name.figure.substr(0, name.figure.find("_at")), name.k);
}

bool is_share(const MetricName& name) { return name.figure.find("tokens") == std::string::npos; }

std::string stop_label(const StopAt& stop_at) {
  return stop_at ? fmt::format("{}", *stop_at) : "decided";
}

std::string percent_text(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string value_text(const MetricName& name, double value) {
  return is_share(name) ? percent_text(value) : fmt::format("{:.1f}", value);
}

std::string interval_text(const MetricName& name, const Estimate& estimate) {
  return fmt::format("{} to {}", value_text(name, estimate.low), value_text(name, estimate.high));
}

}  // namespace pith
