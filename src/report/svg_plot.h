// Plots as SVG elements, for a page whose style sheet has the classes that
// kPlotStyle defines. No scripts, nothing from elsewhere.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pith {

// Text as it may stand in an element or an attribute of HTML and SVG.
std::string escape_html(std::string_view text);

struct PlotAxis {
  std::string label;
  bool logarithmic = false;  // all values above 0
  bool percent = false;      // of values from 0 to 1
};

struct PlotPoint {
  double x = 0;
  double y = 0;
  double low = 0;  // to `high`: the interval of y
  double high = 0;
  std::string label;  // shown where the pointer rests
};

struct PlotSeries {
  std::string name;
  std::vector<PlotPoint> points;
  bool line = true;  // from point to point
  bool dots = true;  // at the points, with their intervals
};

// Points with their intervals and, series by series, lines through them. A logarithmic
// axis has its ticks at the points. With `diagonal`, the line y = x.
std::string point_plot(const PlotAxis& x, const PlotAxis& y, const std::vector<PlotSeries>& series,
                       bool diagonal = false);

struct PlotBar {
  double low = 0;  // to `high`: what it covers of the x axis
  double high = 0;
  std::vector<double> parts;  // heights of what is stacked, one for each name
};

std::string bar_plot(const PlotAxis& x, const PlotAxis& y, const std::vector<std::string>& names,
                     const std::vector<PlotBar>& bars);

// Rules of a style sheet, for light and dark.
extern const std::string_view kPlotStyle;

}  // namespace pith
