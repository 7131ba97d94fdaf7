#include "reason/accuracy_curve.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace pith {
namespace {

// Tokens of a branch where they were not measured: grade school mathematics.
constexpr double kMeanTokens = 300;

// How often a guess is right, beside a branch that has come to its end.
constexpr double kGuessShare = 0.2;

// What a vote of endlessly many branches gains on a single one. 54 % of single samples and
// 70 % of votes of 8 are on this curve.
constexpr double kVoteGain = 0.34;

PackResult default_point() {
  PackResult point;
  point.branches = 8;
  point.budget_tokens = 1024;
  point.accuracy = 0.7;
  return point;
}

double vote_factor(int32_t branches) {
  const double others = (branches - 1.0) * (branches - 1.0);
  return 1 + kVoteGain * others / (others + 7);
}

// How often a vote is right, beside a single branch that comes to its end.
double share_right(int32_t branches, int32_t budget_tokens, double mean_tokens) {
  const double ratio = std::pow(budget_tokens / mean_tokens, 3);
  const double ended = ratio / (1 + ratio);
  return (1 - ended) * kGuessShare + ended * vote_factor(branches);
}

// The line through points of growing x, levelled where it would fall; in proportion to x
// before the first point, level behind the last.
class RisingLine {
 public:
  explicit RisingLine(double x) : x_(x) {}

  void add(double x, double y) {
    y = std::max(y, last_y_);
    if (!past_ && x >= x_) {
      value_ = last_x_ == 0 ? y * x_ / x : last_y_ + (y - last_y_) * (x_ - last_x_) / (x - last_x_);
      past_ = true;
    }
    last_x_ = x;
    last_y_ = y;
  }
  double value() const { return past_ ? value_ : last_y_; }

 private:
  double x_;
  double value_ = 0;
  bool past_ = false;
  double last_x_ = 0;  // 0: no point yet
  double last_y_ = 0;
};

}  // namespace

AccuracyCurve::AccuracyCurve(std::span<const PackResult> points) {
  const PackResult fallback = default_point();
  if (points.empty()) points = {&fallback, 1};
  std::map<std::string, std::vector<const PackResult*>> by_task;
  for (const PackResult& point : points) by_task[point.task].push_back(&point);
  for (const auto& [name, of_task] : by_task) {
    Task task{};
    int lengths = 0;
    for (const PackResult* point : of_task) {
      double& accuracy = task.measured[point->branches][point->budget_tokens];
      accuracy = std::max(accuracy, point->accuracy);
      if (!point->mean_tokens) continue;
      task.mean_tokens += *point->mean_tokens;
      ++lengths;
    }
    task.mean_tokens = lengths > 0 ? std::max(task.mean_tokens / lengths, 1.0) : kMeanTokens;
    add_single_branch(task);
    tasks_.push_back(std::move(task));
  }
}

// Where only votes were measured, what one branch would have given follows from the smallest.
void AccuracyCurve::add_single_branch(Task& task) {
  const auto& [branches, by_budget] = *task.measured.begin();
  if (branches == 1) return;
  for (const auto& [budget, accuracy] : by_budget) {
    task.measured[1][budget] = accuracy * share_right(1, budget, task.mean_tokens) /
                               share_right(branches, budget, task.mean_tokens);
  }
}

double AccuracyCurve::accuracy(int32_t branches, int32_t budget_tokens) const {
  PITH_CHECK(branches >= 1 && budget_tokens >= 1);
  double sum = 0;
  for (const Task& task : tasks_) sum += accuracy(task, branches, budget_tokens);
  return sum / static_cast<double>(tasks_.size());
}

double AccuracyCurve::accuracy(const Task& task, int32_t branches, int32_t budget_tokens) {
  RisingLine by_branches(vote_factor(branches));
  for (const auto& [measured_branches, by_budget] : task.measured) {
    RisingLine line(share_right(measured_branches, budget_tokens, task.mean_tokens));
    for (const auto& [budget, accuracy] : by_budget) {
      line.add(share_right(measured_branches, budget, task.mean_tokens), accuracy);
    }
    by_branches.add(vote_factor(measured_branches), line.value());
  }
  return by_branches.value();
}

std::vector<PackResult> results_for(std::span<const PackResult> results, std::string_view mode,
                                    std::string_view vote) {
  std::vector<PackResult> chosen;
  for (const PackResult& result : results) {
    if (result.mode == mode && (result.branches == 1 || result.vote == vote)) {
      chosen.push_back(result);
    }
  }
  return chosen;
}

}  // namespace pith
