// Pages that need nothing else: one file, light and dark, no scripts.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace pith {

// A page of its own: title and heading, then `body`, which is HTML. Its style sheet has
// the classes tiles and tile, plots, wide, n (numbers) and those of report/svg_plot.h.
std::string html_page(std::string_view title, std::string_view body);

// A plot under its caption, which is text.
std::string html_figure(std::string_view caption, std::string_view plot);

// A figure with its name above and a note below, for a <div class="tiles">.
std::string html_tile(std::string_view label, std::string_view value, std::string_view note);

// A value of JSON as the text of a cell: strings without their quotes.
std::string html_cell(const nlohmann::ordered_json& value);

// The members of an object under the heading "Settings".
std::string html_settings(const nlohmann::ordered_json& settings);

}  // namespace pith
