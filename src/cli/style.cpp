#include "cli/style.h"

#include <algorithm>

#include "base/terminal.h"
#include "cli/text_width.h"

namespace pith::cli {
namespace {

std::string_view escape(Colour colour) {
  switch (colour) {
    case Colour::dim:
      return "\x1b[90m";
    case Colour::bold:
      return "\x1b[1m";
    case Colour::green:
      return "\x1b[1;32m";
    case Colour::red:
      return "\x1b[1;31m";
    case Colour::none:
      break;
  }
  return "\x1b[0m";
}

}  // namespace

Style::Style(int fd) : enabled_(wants_colour(fd)) {}

std::string_view Style::begin(Colour colour) const {
  return enabled_ ? escape(colour) : std::string_view();
}

std::string Style::paint(Colour colour, std::string_view text) const {
  std::string result(begin(colour));
  result += text;
  result += begin(Colour::none);
  return result;
}

bool opens_thought(ChatTemplate chat_template) {
  return chat_template == ChatTemplate::deepseek_r1;
}

ThoughtPainter::ThoughtPainter(const Style& style, bool starts_in_thought)
    : style_(&style), in_thought_(starts_in_thought) {}

// A mark is one token of the families that think, so it comes in one piece.
std::string ThoughtPainter::paint(std::string_view text) {
  constexpr std::string_view kStart = "<think>";
  constexpr std::string_view kEnd = "</think>";
  std::string result;
  if (!started_ && in_thought_) result += style_->begin(Colour::dim);
  started_ = true;
  while (!text.empty()) {
    const std::string_view mark = in_thought_ ? kEnd : kStart;
    const size_t at = text.find(mark);
    const size_t end = at == std::string_view::npos ? text.size() : at + mark.size();
    if (at != std::string_view::npos && !in_thought_) {
      result += terminal_safe(text.substr(0, at));
      result += style_->begin(Colour::dim);
      result += mark;
      in_thought_ = true;
    } else {
      result += terminal_safe(text.substr(0, end));
      if (at != std::string_view::npos) {
        result += style_->begin(Colour::none);
        in_thought_ = false;
      }
    }
    text.remove_prefix(end);
  }
  return result;
}

std::string ThoughtPainter::finish() const {
  return std::string(in_thought_ ? style_->begin(Colour::none) : std::string_view());
}

}  // namespace pith::cli
