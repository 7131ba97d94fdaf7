#include "cli/ask_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/text_width.h"
#include "io/json_null.h"

namespace pith::cli {
namespace {

using nlohmann::json;

constexpr int kWidestAnswer = 40;  // columns
constexpr int kWidestBar = 30;
constexpr double kDeadlineTolerance = 0.05;

std::string shown(std::string_view answer) {
  return std::string(head_within(one_line(answer), kWidestAnswer));
}

std::string padded(std::string_view text, int width) {
  std::string result(text);
  result.append(static_cast<size_t>(std::max(width - display_width(text), 0)), ' ');
  return result;
}

int widest_answer(const SelfConsistencyResult& result) {
  int width = 0;
  for (const BranchResult& branch : result.branches) {
    width = std::max(width, display_width(shown(branch.answer)));
  }
  return width;
}

std::string branch_lines(const SelfConsistencyResult& result, const Style& style, int width) {
  std::string out;
  int waiting = 0;
  for (size_t i = 0; i < result.branches.size(); ++i) {
    const BranchResult& branch = result.branches[i];
    if (!branch.started()) {
      ++waiting;
      continue;
    }
    const bool by_itself = branch.finish_reason == FinishReason::stop;
    std::string note =
        by_itself ? "" : fmt::format("  ({})", finish_reason_name(branch.finish_reason));
    if (branch.verifier_score) note += fmt::format("  score {:.2f}", *branch.verifier_score);
    const std::string answer = branch.answer.empty() ? "-" : shown(branch.answer);
    out +=
        fmt::format("{:>3}  {}  {}\n", i + 1, padded(answer, width),
                    style.paint(Colour::dim, fmt::format("{:>5} tokens{}", branch.tokens, note)));
  }
  if (waiting > 0) {
    out += style.paint(Colour::dim, fmt::format("     {} more were not started", waiting)) + "\n";
  }
  return out;
}

std::string vote_lines(const SelfConsistencyResult& result, const Style& style, int width,
                       int columns) {
  const int room = std::clamp(columns - width - 20, 4, kWidestBar);
  std::string out = "votes\n";
  for (const AnswerGroup& group : result.groups) {
    const int cells = std::max(1, static_cast<int>(std::lround(group.weight_share * room)));
    std::string bar;
    for (int i = 0; i < cells; ++i) bar += "\u2588";
    const bool winner = &group == &result.groups.front();
    out += fmt::format("     {}  {} {} ({:.0f} %)\n", padded(shown(group.answer), width),
                       style.paint(winner ? Colour::green : Colour::dim, bar), group.members.size(),
                       100 * group.weight_share);
  }
  return out;
}

std::string answer_line(const SelfConsistencyResult& result, const Style& style) {
  if (result.groups.empty()) return "no branch has answered\n";
  std::string line = "answer: " + style.paint(Colour::green, one_line(winning_answer(result)));
  if (result.branches.size() > 1) {
    const bool calibrated = result.confidence_kind == ConfidenceKind::calibrated;
    line += fmt::format("  ({} of {} branches, {}confidence {:.2f})",
                        result.groups.front().members.size(), result.branches.size(),
                        calibrated ? "calibrated " : "", result.confidence);
  }
  return line + "\n";
}

// Nothing when nobody had to decide.
std::string route_line(const Route& route) {
  if (!route.probability) return "";
  return fmt::format("{}: the switcher gives {:.2f} that reasoning is needed\n",
                     route.thinking ? "with reasoning" : "without reasoning", *route.probability);
}

std::string speed_line(const AskReport& report) {
  const SelfConsistencyResult& result = report.result;
  const std::string saved =
      result.saved_tokens > 0 ? fmt::format(" (about {} saved)", result.saved_tokens) : "";
  return fmt::format(
      "prompt {} tokens, {:.1f} tok/s; answer {} tokens{} in {:.1f} s, {:.1f} tok/s; load {:.1f} "
      "s\n",
      result.prompt_tokens, result.prefill_tokens_per_s(), result.completion_tokens, saved,
      result.decode_s, result.decode_tokens_per_s(), report.load_s);
}

std::string deadline_line(const DeadlineReport& deadline, const TimePlan& plan) {
  return fmt::format("deadline {:g} s: {} in {:.1f} s; planned: {} branch{}, {} tokens\n",
                     deadline.deadline_s, deadline.kept() ? "answered" : "missed, answered",
                     deadline.elapsed_s, plan.branches, plan.branches == 1 ? "" : "es",
                     plan.budget_tokens);
}

json deadline_json(const AskReport& report) {
  if (!report.deadline) return {};
  const DeadlineReport& deadline = *report.deadline;
  const TimePlan& plan = *report.result.plan;
  return {{"deadline_s", deadline.deadline_s},
          {"elapsed_s", deadline.elapsed_s},
          {"kept", deadline.kept()},
          {"branches", plan.branches},
          {"budget_tokens", plan.budget_tokens},
          {"planned_s", plan.seconds},
          {"accuracy", plan.accuracy}};
}

json branch_json(const BranchResult& branch) {
  return {{"answer", branch.answer},
          // Geometric means of its tokens' probabilities: of all, and in the worst window.
          {"score", std::exp(branch.mean_log_probability)},
          {"confidence", branch.confidence.weight()},
          {"verifier_score", value_or_null<json>(branch.verifier_score)},
          {"tokens", branch.tokens},
          {"finish_reason", finish_reason_name(branch.finish_reason)},
          {"text", branch.text}};
}

json votes_json(const SelfConsistencyResult& result) {
  json votes = json::array();
  for (const AnswerGroup& group : result.groups) {
    votes.push_back({{"answer", group.answer},
                     {"share", group.share},
                     {"weight_share", group.weight_share},
                     {"branches", group.members}});
  }
  return votes;
}

}  // namespace

bool DeadlineReport::kept() const { return elapsed_s <= (1 + kDeadlineTolerance) * deadline_s; }

std::string winning_answer(const SelfConsistencyResult& result) {
  return result.groups.empty() ? "" : result.groups.front().answer;
}

std::string report_text(const AskReport& report, const Style& style, int columns) {
  const SelfConsistencyResult& result = report.result;
  std::string out;
  if (result.branches.size() > 1) {
    const int width = std::max(widest_answer(result), 1);
    out += "branches\n" + branch_lines(result, style, width);
    if (!result.groups.empty()) out += vote_lines(result, style, width, columns);
  }
  out += answer_line(result, style);
  out += style.begin(Colour::dim);
  out += route_line(result.route);
  if (report.deadline) out += deadline_line(*report.deadline, *result.plan);
  out += speed_line(report);
  out += style.begin(Colour::none);
  return out;
}

std::string report_json(const AskReport& report) {
  const SelfConsistencyResult& result = report.result;
  json branches = json::array();
  for (const BranchResult& branch : result.branches) branches.push_back(branch_json(branch));
  const json object = {{"answer", result.groups.empty() ? json() : json(winning_answer(result))},
                       {"text", result.branches[result.best_branch].text},
                       {"thinking", report.thinking},
                       {"think_probability", value_or_null<json>(result.route.probability)},
                       {"confidence", result.confidence},
                       {"confidence_kind", confidence_kind_name(result.confidence_kind)},
                       {"vote", vote_rule_name(report.vote)},
                       {"branches", std::move(branches)},
                       {"votes", votes_json(result)},
                       {"deadline", deadline_json(report)},
                       {"usage",
                        {{"prompt_tokens", result.prompt_tokens},
                         {"completion_tokens", result.completion_tokens},
                         {"saved_tokens", result.saved_tokens}}},
                       {"timing",
                        {{"load_s", report.load_s},
                         {"prefill_s", result.prefill_s},
                         {"first_token_s", result.first_token_s},
                         {"decode_s", result.decode_s},
                         {"total_s", result.total_s}}},
                       {"speed",
                        {{"prefill_tokens_per_s", result.prefill_tokens_per_s()},
                         {"decode_tokens_per_s", result.decode_tokens_per_s()}}},
                       {"model", report.model},
                       {"seed", report.seed}};
  return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace pith::cli
