#include "eval/comparison.h"

#include <algorithm>
#include <set>

#include "eval/votes.h"

namespace pith {
namespace {

using nlohmann::ordered_json;

// The run with the questions alone that the other has too.
EvalRun common_questions(const EvalRun& run, const EvalRun& other) {
  std::set<int32_t> known;
  for (const QuestionResult& question : other.questions) known.insert(question.index);
  EvalRun common = run;
  std::erase_if(common.questions,
                [&](const QuestionResult& question) { return !known.contains(question.index); });
  return common;
}

}  // namespace

Result<Comparison> compare(const EvalRun& a, const EvalRun& b) {
  for (const char* name : {"task", "data_sha256"}) {
    if (a.settings.value(name, ordered_json()) != b.settings.value(name, ordered_json())) {
      return fail(ErrorCode::usage, "the two runs have different questions (different: {})", name);
    }
  }
  const EvalRun common_a = common_questions(a, b);
  const EvalRun common_b = common_questions(b, a);
  if (common_a.questions.empty()) {
    return fail(ErrorCode::usage, "the two runs have no question in common");
  }
  const auto branches = default_branches(std::min(a.samples, b.samples));
  const std::vector<Metric> metrics_a = metrics_of(common_a, branches);
  const std::vector<Metric> metrics_b = metrics_of(common_b, branches);
  Comparison comparison;
  comparison.questions = common_a.questions.size();
  for (const Metric& metric_a : metrics_a) {
    const auto metric_b =
        std::find_if(metrics_b.begin(), metrics_b.end(),
                     [&](const Metric& metric) { return metric.name == metric_a.name; });
    if (metric_b == metrics_b.end()) continue;
    Metric difference{metric_a.name, metric_b->values};
    for (size_t i = 0; i < difference.values.size(); ++i) {
      difference.values[i] -= metric_a.values[i];
    }
    comparison.a.push_back(estimates_of({metric_a}).front());
    comparison.b.push_back(estimates_of({*metric_b}).front());
    comparison.difference.push_back(estimates_of({difference}).front());
  }
  for (const std::string& line : left_out_votes(common_a)) {
    comparison.left_out.push_back("A: " + line);
  }
  for (const std::string& line : left_out_votes(common_b)) {
    comparison.left_out.push_back("B: " + line);
  }
  comparison.routing = routing_curve(common_a, common_b);
  if (comparison.routing.empty()) comparison.routing = routing_curve(common_b, common_a);
  return comparison;
}

}  // namespace pith
