// Lines from the user: edited and with a history on a terminal, plain elsewhere.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace pith::cli {

enum class ReadOutcome {
  line,
  end,          // end of input, Ctrl-D
  interrupted,  // Ctrl-C (see cli/interrupt.h, which must watch)
};

struct ReadLine {
  ReadOutcome outcome = ReadOutcome::end;
  std::string text;  // without the line break
};

class LineEditor {
 public:
  virtual ~LineEditor() = default;
  // Shows the prompt, where there is somebody to see it, and waits for a line.
  virtual ReadLine read(std::string_view prompt) = 0;
};

// Edits where standard input and output are a live terminal: what is typed appears
// in bold green, as far as colour is wanted. At most one at a time.
std::unique_ptr<LineEditor> make_line_editor();

}  // namespace pith::cli
