#include "report/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace pith {
namespace {

// The picture and, in it, the rectangle of the axes.
constexpr double kWidth = 460;
constexpr double kHeight = 300;
constexpr double kLeft = 56;
constexpr double kRight = 440;
constexpr double kTop = 34;
constexpr double kBottom = 252;
constexpr int kWantedTicks = 5;
constexpr double kDodge = 2.5;  // between series, so that their intervals do not hide each other

struct Tick {
  double value;
  std::string label;
};

struct Range {
  double low = 0;
  double high = 1;

  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

// 1, 2 or 5 times a power of ten, such that about kWantedTicks fit.
double tick_step(const Range& range) {
  const double rough = (range.high - range.low) / kWantedTicks;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (rough <= factor * power) return factor * power;
  }
  return 10 * power;
}

std::string number_text(double value, bool percent) {
  return percent ? fmt::format("{:.6g} %", 100 * value) : fmt::format("{:.6g}", value);
}

// A plot under construction: maps values to places and collects elements.
class Plot {
 public:
  Plot(const PlotAxis& x, const Range& x_range, const PlotAxis& y, const Range& y_range)
      : x_axis_(x), y_axis_(y), x_(x_range), y_(y_range) {}

  double x(double value) const {
    return kLeft + (kRight - kLeft) * share(value, x_, x_axis_.logarithmic);
  }
  double y(double value) const {
    return kBottom - (kBottom - kTop) * share(value, y_, y_axis_.logarithmic);
  }

  void add(std::string_view element) { body_ += element; }

  void add_x_ticks(const std::vector<Tick>& ticks) {
    for (const Tick& tick : ticks) {
      body_ += fmt::format(
          "<text class=\"tick\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>",
          x(tick.value), kBottom + 16, escape_html(tick.label));
    }
  }

  void add_y_ticks() {
    for (const Tick& tick : even_ticks(y_, y_axis_.percent)) {
      body_ += fmt::format(
          "<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{1:.1f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
          "<text class=\"tick\" x=\"{3:.1f}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>",
          kLeft, kRight, y(tick.value), kLeft - 6, y(tick.value) + 4, escape_html(tick.label));
    }
  }

  static std::vector<Tick> even_ticks(const Range& range, bool percent) {
    std::vector<Tick> ticks;
    const double step = tick_step(range);
    for (double i = std::ceil(range.low / step - 1e-9); i * step <= range.high + 1e-9 * step; ++i) {
      const double value = i * step + 0.0;  // no "-0"
      ticks.push_back({value, number_text(value, percent)});
    }
    return ticks;
  }

  void add_legend(const std::vector<std::string>& names) {
    double at = kLeft;
    for (size_t i = 0; i < names.size(); ++i) {
      body_ += fmt::format(
          "<rect class=\"fill s{}\" x=\"{:.1f}\" y=\"9\" width=\"10\" height=\"10\"/>"
          "<text class=\"legend\" x=\"{:.1f}\" y=\"18\">{}</text>",
          i, at, at + 14, escape_html(names[i]));
      at += 26 + 6.6 * static_cast<double>(names[i].size());
    }
  }

  std::string finish() const {
    return fmt::format(
        "<svg class=\"plot\" viewBox=\"0 0 {0} {1}\" role=\"img\" aria-label=\"{2} against {3}\">"
        "{4}<path class=\"axis\" d=\"M{5} {6}V{7}H{8}\"/>"
        "<text class=\"label\" x=\"{9:.1f}\" y=\"{10}\" text-anchor=\"middle\">{3}</text>"
        "<text class=\"label\" transform=\"translate(13 {11:.1f}) rotate(-90)\" "
        "text-anchor=\"middle\">{2}</text></svg>",
        kWidth, kHeight, escape_html(y_axis_.label), escape_html(x_axis_.label), body_, kLeft, kTop,
        kBottom, kRight, (kLeft + kRight) / 2, kBottom + 38, (kTop + kBottom) / 2);
  }

 private:
  static double share(double value, const Range& range, bool logarithmic) {
    if (logarithmic) {
      return std::log(value / range.low) / std::log(range.high / range.low);
    }
    return (value - range.low) / (range.high - range.low);
  }

  const PlotAxis& x_axis_;
  const PlotAxis& y_axis_;
  Range x_;
  Range y_;
  std::string body_;
};

// Room around the values, and never an empty range.
Range padded(Range range, const PlotAxis& axis) {
  if (axis.logarithmic) {
    const double factor = std::max(std::pow(range.high / range.low, 0.06), 1.05);
    return {range.low / factor, range.high * factor};
  }
  // What only rounding tells apart is the same.
  const double rounding = 1e-9 * std::max(std::abs(range.low), std::abs(range.high));
  const double least = axis.percent ? 0.02 : range.high - range.low > rounding ? 0 : 1;
  const double room = std::max(0.06 * (range.high - range.low), least);
  range = {range.low - room, range.high + room};
  if (axis.percent) range = {std::max(range.low, 0.0), std::min(range.high, 1.0)};
  return range;
}

void add_series(Plot& plot, const PlotSeries& series, size_t number) {
  const double shift = kDodge * static_cast<double>(number);
  std::string path;
  for (const PlotPoint& point : series.points) {
    path +=
        fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", plot.x(point.x), plot.y(point.y));
  }
  if (series.line) plot.add(fmt::format("<path class=\"line s{}\" d=\"{}\"/>", number, path));
  if (!series.dots) return;
  for (const PlotPoint& point : series.points) {
    plot.add(fmt::format(
        "<g class=\"s{0}\"><title>{1}</title>"
        "<line class=\"interval\" x1=\"{2:.1f}\" x2=\"{2:.1f}\" y1=\"{3:.1f}\" y2=\"{4:.1f}\"/>"
        "<circle class=\"dot\" cx=\"{2:.1f}\" cy=\"{5:.1f}\" r=\"3.5\"/></g>",
        number, escape_html(point.label), plot.x(point.x) + shift, plot.y(point.low),
        plot.y(point.high), plot.y(point.y)));
  }
}

std::vector<Tick> x_ticks(const PlotAxis& axis, const Range& range,
                          const std::vector<PlotSeries>& series) {
  if (!axis.logarithmic) return Plot::even_ticks(range, axis.percent);
  std::vector<double> values;
  for (const PlotSeries& one : series) {
    for (const PlotPoint& point : one.points) values.push_back(point.x);
  }
  std::sort(values.begin(), values.end());
  std::vector<Tick> ticks;
  for (const double value : values) {
    // Those that would stand on their neighbour's toes are left out.
    if (!ticks.empty() && value < 1.25 * ticks.back().value) continue;
    ticks.push_back({value, fmt::format("{:.0f}", value)});
  }
  return ticks;
}

}  // namespace

const std::string_view kPlotStyle = R"(
:root{--s0:#1d5fd1;--s1:#c2410c;--s2:#15803d;--s3:#7e22ce;--grid:#dcdfe4;--axis:#70757d}
@media(prefers-color-scheme:dark){
:root{--s0:#7ab0ff;--s1:#ff9e64;--s2:#66d98c;--s3:#c99bff;--grid:#343a43;--axis:#9aa1ab}}
.plot{width:100%;height:auto;font:12px system-ui,sans-serif}
.plot text{fill:currentColor}.plot .tick,.plot .legend{font-size:11px}
.plot .axis{stroke:var(--axis);fill:none}.plot .grid{stroke:var(--grid)}
.plot .s0{--c:var(--s0)}.plot .s1{--c:var(--s1)}.plot .s2{--c:var(--s2)}.plot .s3{--c:var(--s3)}
.plot .fill,.plot .dot{fill:var(--c)}.plot .interval{stroke:var(--c);opacity:.55;stroke-width:1.5}
.plot .line{stroke:var(--c);fill:none;stroke-width:2}
.plot .line.s1{stroke-dasharray:7 3}.plot .line.s2{stroke-dasharray:2 3}
.plot .diagonal{stroke:var(--axis);stroke-dasharray:4 4}
)";

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string point_plot(const PlotAxis& x, const PlotAxis& y, const std::vector<PlotSeries>& series,
                       bool diagonal) {
  bool first = true;
  Range x_range;
  Range y_range;
  std::vector<std::string> names;
  for (const PlotSeries& one : series) {
    names.push_back(one.name);
    for (const PlotPoint& point : one.points) {
      if (first) x_range = {point.x, point.x};
      if (first) y_range = {point.low, point.high};
      first = false;
      x_range.include(point.x);
      y_range.include(point.low);
      y_range.include(point.high);
    }
  }
  x_range = diagonal ? Range{0, 1} : padded(x_range, x);
  y_range = diagonal ? Range{0, 1} : padded(y_range, y);
  Plot plot(x, x_range, y, y_range);
  plot.add_y_ticks();
  plot.add_x_ticks(x_ticks(x, x_range, series));
  if (diagonal) {
    plot.add(fmt::format(
        "<line class=\"diagonal\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>",
        plot.x(0), plot.y(0), plot.x(1), plot.y(1)));
  }
  for (size_t i = 0; i < series.size(); ++i) add_series(plot, series[i], i);
  plot.add_legend(names);
  return plot.finish();
}

std::string bar_plot(const PlotAxis& x, const PlotAxis& y, const std::vector<std::string>& names,
                     const std::vector<PlotBar>& bars) {
  Range x_range = {0, 1};
  Range y_range = {0, 1};
  if (!bars.empty()) x_range = {bars.front().low, bars.back().high};
  for (const PlotBar& bar : bars) {
    double height = 0;
    for (const double part : bar.parts) height += part;
    y_range.include(1.05 * height);
  }
  Plot plot(x, x_range, y, y_range);
  plot.add_y_ticks();
  plot.add_x_ticks(Plot::even_ticks(x_range, x.percent));
  for (const PlotBar& bar : bars) {
    double base = 0;
    for (size_t i = 0; i < bar.parts.size(); ++i) {
      const double left = plot.x(bar.low) + 0.5;
      const double top = plot.y(base + bar.parts[i]);
      plot.add(fmt::format(
          "<rect class=\"fill s{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\">"
          "<title>{}: {:.6g} from {:.6g} to {:.6g}</title></rect>",
          i, left, top, std::max(plot.x(bar.high) - left - 0.5, 0.5), plot.y(base) - top,
          escape_html(names[i]), bar.parts[i], bar.low, bar.high));
      base += bar.parts[i];
    }
  }
  plot.add_legend(names);
  return plot.finish();
}

}  // namespace pith
