#include "train/train_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "base/function_ref.h"
#include "base/progress.h"
#include "report/html_page.h"
#include "report/svg_plot.h"

namespace pith::train {
namespace {

using ValueOf = FunctionRef<double(const TrainStep& step)>;

constexpr std::string_view kHeader = "step,loss,learning_rate,gradient_norm,tokens,seconds";
constexpr size_t kMostPoints = 120;  // of a curve

std::string line_of(const TrainStep& step) {
  std::string line = fmt::format("{},{},{},{},{},{:.3f}", step.step, step.loss, step.learning_rate,
                                 step.gradient_norm, step.tokens, step.seconds);
  for (const double value : step.more) line += fmt::format(",{}", value);
  return line;
}

// The next number of a line, which it is taken from.
template <class T>
bool take(std::string_view& line, T& value) {
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error != std::errc()) return false;
  line.remove_prefix(static_cast<size_t>(end - line.data()));
  if (line.starts_with(',')) line.remove_prefix(1);
  return true;
}

std::optional<TrainStep> parse_line(std::string_view line, size_t columns) {
  TrainStep step;
  step.more.resize(columns);
  const bool good = take(line, step.step) && take(line, step.loss) &&
                    take(line, step.learning_rate) && take(line, step.gradient_norm) &&
                    take(line, step.tokens) && take(line, step.seconds) &&
                    std::all_of(step.more.begin(), step.more.end(),
                                [&](double& value) { return take(line, value); }) &&
                    line.empty();
  return good ? std::optional(step) : std::nullopt;
}

// Means of as many neighbours as it takes to have few points.
std::vector<PlotPoint> curve(const std::vector<TrainStep>& steps, ValueOf value_of) {
  std::vector<PlotPoint> points;
  const size_t width = (steps.size() + kMostPoints - 1) / kMostPoints;
  for (size_t begin = 0; begin < steps.size(); begin += width) {
    const size_t end = std::min(begin + width, steps.size());
    double sum = 0;
    int64_t count = 0;
    for (size_t i = begin; i < end; ++i) {
      const double value = value_of(steps[i]);
      if (!std::isfinite(value)) continue;
      sum += value;
      ++count;
    }
    if (count == 0) continue;
    const double mean = sum / static_cast<double>(count);
    const int64_t last = steps[end - 1].step;
    points.push_back(
        {static_cast<double>(last), mean, mean, mean, fmt::format("step {}: {:.4g}", last, mean)});
  }
  return points;
}

std::string figure(const std::string& label, const std::vector<PlotSeries>& series) {
  return html_figure(label, point_plot({"step"}, {label}, series));
}

std::string figure(const std::vector<TrainStep>& steps, const char* label,
                   double TrainStep::*value) {
  return figure(label,
                {{label, curve(steps, [value](const TrainStep& step) { return step.*value; })}});
}

std::string more_figures(const std::vector<TrainStep>& steps, const TrainColumns& columns) {
  std::vector<std::pair<std::string, std::vector<PlotSeries>>> figures;
  for (size_t i = 0; i < columns.size(); ++i) {
    auto points = curve(steps, [i](const TrainStep& step) { return step.more[i]; });
    if (points.empty()) continue;
    const size_t at = std::min(columns[i].find('@'), columns[i].size());
    const std::string label = columns[i].substr(0, at);
    auto found = std::find_if(figures.begin(), figures.end(),
                              [&](const auto& figure) { return figure.first == label; });
    if (found == figures.end()) found = figures.insert(found, {label, {}});
    found->second.push_back(
        {at < columns[i].size() ? columns[i].substr(at + 1) : label, std::move(points)});
  }
  std::string text;
  for (const auto& [label, series] : figures) text += figure(label, series);
  return text;
}

std::string tiles(const std::vector<TrainStep>& steps, int64_t all_steps) {
  int64_t tokens = 0;
  double seconds = 0;
  for (const TrainStep& step : steps) {
    tokens += step.tokens;
    seconds += step.seconds;
  }
  return "<div class=\"tiles\">\n" +
         html_tile("steps", fmt::format("{}", steps.back().step), fmt::format("of {}", all_steps)) +
         html_tile("loss", fmt::format("{:.4f}", steps.back().loss),
                   fmt::format("{:.4f} at the start", steps.front().loss)) +
         html_tile("tokens", fmt::format("{}", tokens),
                   fmt::format("{:.1f}/s", static_cast<double>(tokens) / std::max(seconds, 1e-9))) +
         html_tile("time", format_duration(seconds), "of training") + "</div>\n";
}

}  // namespace

Result<TrainLog> TrainLog::open(const std::string& path, TrainColumns columns, int64_t last_step) {
  std::string header(kHeader);
  for (const std::string& column : columns) header += "," + column;
  const auto step_of = [&](std::string_view line) {
    const std::optional<TrainStep> step = parse_line(line, columns.size());
    return step ? step->step : 0;
  };
  PITH_TRY(StepFile file, StepFile::open(path, header, last_step, step_of));
  TrainLog log(std::move(file), std::move(columns));
  for (const std::string& line : log.file_.lines()) {
    log.steps_.push_back(parse_line(line, log.columns_.size()).value());
  }
  return log;
}

Status TrainLog::append(const TrainStep& step) {
  PITH_CHECK(step.more.size() == columns_.size());
  PITH_TRY_VOID(file_.append(line_of(step)));
  steps_.push_back(step);
  return {};
}

std::string train_page(const std::vector<TrainStep>& steps, const TrainColumns& columns,
                       int64_t all_steps, const nlohmann::ordered_json& settings,
                       const std::string& more) {
  std::string body;
  if (!steps.empty()) {
    body += tiles(steps, all_steps) + "<div class=\"plots\">\n";
    body += more_figures(steps, columns);
    body += figure(steps, "loss", &TrainStep::loss);
    body += figure(steps, "gradient norm", &TrainStep::gradient_norm);
    body += figure(steps, "learning rate", &TrainStep::learning_rate);
    body += "</div>\n";
  }
  return html_page("Training", body + more + html_settings(settings));
}

}  // namespace pith::train
