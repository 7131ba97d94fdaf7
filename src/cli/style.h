// Colours for people, left out where nobody would see them.
#pragma once

#include <string>
#include <string_view>

#include "text/chat_template.h"

namespace pith::cli {

enum class Colour { none, dim, bold, green, red };  // green and red are bold, dim is grey

// Whether a stream takes colour is asked once.
class Style {
 public:
  // Of what is written to the file descriptor (see wants_colour in base/terminal.h).
  explicit Style(int fd);

  // The text in the colour; the text as it is where colour is not wanted.
  std::string paint(Colour colour, std::string_view text) const;
  // What switches to the colour until the next change; empty without colour.
  std::string_view begin(Colour colour) const;

  bool enabled() const { return enabled_; }

 private:
  bool enabled_;
};

// Whether the prompt itself opens the thought that a reply begins with.
bool opens_thought(ChatTemplate chat_template);

// Writes streamed text of a model, thoughts in grey: what stands between <think> and
// </think>. Control characters that could drive a terminal are left out of it.
class ThoughtPainter {
 public:
  explicit ThoughtPainter(const Style& style, bool starts_in_thought = false);

  // The text as it should be written now.
  std::string paint(std::string_view text);
  // What restores the terminal at the end.
  std::string finish() const;

 private:
  const Style* style_;
  bool in_thought_;
  bool started_ = false;
};

}  // namespace pith::cli
