#include "cli/text_width.h"

#include <algorithm>
#include <iterator>

#include "text/utf8.h"

namespace pith::cli {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// After Unicode's EastAsianWidth.txt (W and F), neighbours joined.
constexpr Range kWide[] = {
    {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},  {0xa960, 0xa97f}, {0xac00, 0xd7a3},
    {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},  {0xffe0, 0xffe6}, {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};

// Combining marks of common scripts, joiners and variation selectors.
constexpr Range kZero[] = {{0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x0610, 0x061a},
                           {0x064b, 0x065f}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f},
                           {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};

template <size_t N>
bool within(const Range (&ranges)[N], char32_t c) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [c](const Range& range) { return c >= range.first && c <= range.last; });
}

int width_of(char32_t c) { return within(kZero, c) ? 0 : within(kWide, c) ? 2 : 1; }

// C0 and C1, among them the escape character and the 8-bit CSI.
bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7f && c < 0xa0); }

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0u) == 0x80u; }

}  // namespace

int display_width(std::string_view text) {
  int width = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    width += width_of(c.code_point);
    at += c.length;
  }
  return width;
}

std::string_view head_within(std::string_view text, int columns) {
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Char c = decode_utf8(text, at);
    columns -= width_of(c.code_point);
    if (columns < 0) break;
    at += c.length;
  }
  return text.substr(0, at);
}

std::string_view tail_within(std::string_view text, int columns) {
  size_t begin = text.size();
  while (begin > 0) {
    size_t at = begin - 1;
    while (at > 0 && begin - at < 4 && is_continuation(text[at])) --at;
    columns -= width_of(decode_utf8(text, at).code_point);
    if (columns < 0) break;
    begin = at;
  }
  return text.substr(begin);
}

std::string terminal_safe(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    const bool shown = !is_control(c.code_point) || c.code_point == U'\n' || c.code_point == U'\t';
    if (shown) result += text.substr(at, c.length);
    at += c.length;
  }
  return result;
}

std::string one_line(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    const bool space = is_control(c.code_point) || c.code_point == U' ';
    if (!space) result += text.substr(at, c.length);
    if (space && !result.empty() && result.back() != ' ') result += ' ';
    at += c.length;
  }
  return result;
}

}  // namespace pith::cli
