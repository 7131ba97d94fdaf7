#include "report/html_page.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "report/svg_plot.h"

namespace pith {
namespace {

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--back:#fff;--text:#1b1f24;--soft:#5b626c;--line:#dcdfe4;--card:#f6f7f9}
@media(prefers-color-scheme:dark){
:root{--back:#14171b;--text:#e6e8eb;--soft:#a2a9b3;--line:#343a43;--card:#1c2026}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1020px;padding:24px 16px 48px;background:var(--back);color:var(--text);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:24px;margin:0}h2{font-size:17px;margin:32px 0 8px}p{margin:4px 0;color:var(--soft)}
.tiles,.plots{display:grid;gap:12px}
.tiles{grid-template-columns:repeat(auto-fit,minmax(124px,1fr));margin-top:20px}
.plots{grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));margin-top:12px}
.tile,figure{margin:0;padding:12px;border:1px solid var(--line);border-radius:8px;background:var(--card)}
.tile b{display:block;font-size:24px}.tile span,figcaption{color:var(--soft);font-size:13px}
figcaption{margin-bottom:6px}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:14px}
th,td{padding:4px 10px 4px 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.v{overflow-wrap:anywhere}summary{cursor:pointer;margin:24px 0 8px;font-weight:600}
)";

}  // namespace

std::string html_tile(std::string_view label, std::string_view value, std::string_view note) {
  return fmt::format("<div class=\"tile\"><span>{}</span><b>{}</b><span>{}</span></div>\n",
                     escape_html(label), escape_html(value), escape_html(note));
}

std::string html_figure(std::string_view caption, std::string_view plot) {
  return fmt::format("<figure><figcaption>{}</figcaption>{}</figure>\n", escape_html(caption),
                     plot);
}

std::string html_page(std::string_view title, std::string_view body) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<title>{0}</title>\n<style>{1}{2}</style></head>\n<body>\n<h1>{0}</h1>\n{3}"
      "</body></html>\n",
      escape_html(title), kStyle, kPlotStyle, body);
}

std::string html_cell(const nlohmann::ordered_json& value) {
  using nlohmann::ordered_json;
  return escape_html(value.is_string()
                         ? value.get<std::string>()
                         : value.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

std::string html_settings(const nlohmann::ordered_json& settings) {
  std::string out = "<h2>Settings</h2>\n<div class=\"wide\"><table>\n";
  for (const auto& [name, value] : settings.items()) {
    out += fmt::format("<tr><td>{}<td class=\"v\">{}</tr>\n", escape_html(name), html_cell(value));
  }
  return out + "</table></div>\n";
}

}  // namespace pith
