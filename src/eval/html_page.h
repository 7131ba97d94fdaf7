// The frame of HTML pages that need nothing else.
#pragma once

#include <string>
#include <string_view>

namespace pith {

// A whole page with its style sheet. The title is text, the body HTML.
std::string html_page(std::string_view title, std::string_view body);

// A plot under its caption, which is text.
std::string html_figure(std::string_view caption, std::string_view plot);

}  // namespace pith
