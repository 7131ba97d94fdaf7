#include "train/train_log.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/progress.h"
#include "report/html_page.h"
#include "report/svg_plot.h"

namespace pith::train {
namespace {

constexpr std::string_view kHeader = "step,loss,learning_rate,gradient_norm,tokens,seconds";
constexpr uint64_t kMostLogBytes = uint64_t{1} << 30;
constexpr size_t kMostPoints = 120;  // of a curve

std::string line_of(const TrainStep& step) {
  return fmt::format("{},{},{},{},{},{:.3f}\n", step.step, step.loss, step.learning_rate,
                     step.gradient_norm, step.tokens, step.seconds);
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

std::optional<TrainStep> parse_line(std::string_view line) {
  TrainStep step;
  const bool good = take(line, step.step) && take(line, step.loss) &&
                    take(line, step.learning_rate) && take(line, step.gradient_norm) &&
                    take(line, step.tokens) && take(line, step.seconds) && line.empty();
  return good ? std::optional(step) : std::nullopt;
}

// A last line without an end was being written when the run was killed.
Result<std::vector<TrainStep>> read_steps(const std::string& path, int64_t last_step) {
  std::vector<TrainStep> steps;
  const Result<std::string> text = read_file(path, kMostLogBytes);
  if (!text && text.error().code == ErrorCode::not_found) return steps;
  if (!text) return tl::unexpected<Error>(text.error());
  const std::string_view all = *text;
  for (size_t begin = 0, end = 0; (end = all.find('\n', begin)) != all.npos; begin = end + 1) {
    const std::string_view line = all.substr(begin, end - begin);
    if (line == kHeader) continue;
    const std::optional<TrainStep> step = parse_line(line);
    if (!step) {
      return fail(ErrorCode::corrupt, "{}: a line is no step of training: {}", printable(path, 400),
                  printable(line, 60));
    }
    if (step->step <= last_step) steps.push_back(*step);
  }
  return steps;
}

// Means of as many neighbours as it takes to have few points.
std::vector<PlotPoint> curve(const std::vector<TrainStep>& steps, double TrainStep::*value) {
  std::vector<PlotPoint> points;
  const size_t width = (steps.size() + kMostPoints - 1) / kMostPoints;
  for (size_t begin = 0; begin < steps.size(); begin += width) {
    const size_t end = std::min(begin + width, steps.size());
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += steps[i].*value;
    const double mean = sum / static_cast<double>(end - begin);
    const int64_t last = steps[end - 1].step;
    points.push_back(
        {static_cast<double>(last), mean, mean, mean, fmt::format("step {}: {:.4g}", last, mean)});
  }
  return points;
}

std::string figure(const std::vector<TrainStep>& steps, const char* label,
                   double TrainStep::*value) {
  return html_figure(label, point_plot({"step"}, {label}, {{label, curve(steps, value)}}));
}

}  // namespace

Result<TrainLog> TrainLog::open(const std::string& path, int64_t last_step) {
  PITH_TRY(std::vector<TrainStep> steps, read_steps(path, last_step));
  std::string text = std::string(kHeader) + "\n";
  for (const TrainStep& step : steps) text += line_of(step);
  PITH_TRY_VOID(write_file(path, text));
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return fail_system("open", path, errno);
  return TrainLog(path, std::move(steps), std::move(fd));
}

Status TrainLog::append(const TrainStep& step) {
  PITH_TRY_VOID(write_all(fd_.get(), line_of(step), path_));
  steps_.push_back(step);
  return {};
}

std::string train_page(const std::vector<TrainStep>& steps, int64_t all_steps,
                       const nlohmann::ordered_json& settings) {
  std::string body;
  if (!steps.empty()) {
    int64_t tokens = 0;
    double seconds = 0;
    for (const TrainStep& step : steps) {
      tokens += step.tokens;
      seconds += step.seconds;
    }
    body += "<div class=\"tiles\">\n";
    body +=
        html_tile("steps", fmt::format("{}", steps.back().step), fmt::format("of {}", all_steps));
    body += html_tile("loss", fmt::format("{:.4f}", steps.back().loss),
                      fmt::format("{:.4f} at the start", steps.front().loss));
    body +=
        html_tile("tokens", fmt::format("{}", tokens),
                  fmt::format("{:.1f}/s", static_cast<double>(tokens) / std::max(seconds, 1e-9)));
    body += html_tile("time", format_duration(seconds), "of training");
    body += "</div>\n<div class=\"plots\">\n";
    body += figure(steps, "loss", &TrainStep::loss);
    body += figure(steps, "gradient norm", &TrainStep::gradient_norm);
    body += figure(steps, "learning rate", &TrainStep::learning_rate);
    body += "</div>\n";
  }
  body += "<h2>Settings</h2>\n<div class=\"wide\"><table>\n";
  for (const auto& [name, value] : settings.items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    body +=
        fmt::format("<tr><td>{}<td class=\"v\">{}</tr>\n", escape_html(name), escape_html(text));
  }
  return html_page("Training", body + "</table></div>\n");
}

}  // namespace pith::train
