#include "cli/line_editor.h"

#include <histedit.h>
#include <langinfo.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>

#include "base/terminal.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/style.h"

namespace pith::cli {
namespace {

// Reads bytes as they are, with no terminal or a dumb one.
class PlainReader : public LineEditor {
 public:
  ReadLine read(std::string_view prompt) override {
    if (isatty(STDIN_FILENO) != 0) {
      print_now(prompt);
    }
    while (true) {
      const size_t end = buffer_.find('\n');
      if (end != std::string::npos) return take(end, end + 1);
      char bytes[4096];
      const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof bytes);
      if (interrupted()) return {ReadOutcome::interrupted, {}};
      if (count < 0 && errno == EINTR) continue;
      if (count > 0) {
        buffer_.append(bytes, static_cast<size_t>(count));
      } else if (buffer_.empty()) {
        return {ReadOutcome::end, {}};
      } else {
        return take(buffer_.size(), buffer_.size());
      }
    }
  }

 private:
  ReadLine take(size_t length, size_t consumed) {
    ReadLine line{ReadOutcome::line, buffer_.substr(0, length)};
    if (!line.text.empty() && line.text.back() == '\r') line.text.pop_back();
    buffer_.erase(0, consumed);
    return line;
  }

  std::string buffer_;
};

// BSD's line editor, libedit.
class TerminalEditor : public LineEditor {
 public:
  TerminalEditor() : style_(STDOUT_FILENO) {
    // What is typed is UTF-8, whatever the environment says.
    setlocale(LC_CTYPE, "");
    if (std::string_view(nl_langinfo(CODESET)) != "UTF-8") setlocale(LC_CTYPE, "C.UTF-8");
    constexpr int kLinesKept = 500;
    history_ = history_init();
    HistEvent event;
    history(history_, &event, H_SETSIZE, kLinesKept);
    editor_ = el_init("pith", stdin, stdout, stderr);
    el_set(editor_, EL_CLIENTDATA, this);
    el_set(editor_, EL_PROMPT_ESC, &show_prompt, kEscape);
    el_set(editor_, EL_EDITOR, "emacs");
    el_set(editor_, EL_HIST, history, history_);
    el_set(editor_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  }

  ~TerminalEditor() override {
    el_end(editor_);
    history_end(history_);
  }

  TerminalEditor(const TerminalEditor&) = delete;
  TerminalEditor& operator=(const TerminalEditor&) = delete;

  ReadLine read(std::string_view prompt) override {
    set_prompt(prompt);
    int count = 0;
    const char* line = el_gets(editor_, &count);
    restore_colour();
    if (interrupted()) return {ReadOutcome::interrupted, {}};
    if (line == nullptr || count <= 0) return {ReadOutcome::end, {}};
    ReadLine result{ReadOutcome::line, std::string(line, static_cast<size_t>(count))};
    if (result.text.back() == '\n') result.text.pop_back();
    if (!result.text.empty()) {
      HistEvent event;
      history(history_, &event, H_ENTER, line);
    }
    return result;
  }

 private:
  // Escape sequences of the prompt stand between two of these.
  static constexpr char kEscape = '\1';

  static char* show_prompt(EditLine* editor) {
    TerminalEditor* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return self->prompt_.data();
  }

  // The colour that the prompt begins stays on for what is typed.
  void set_prompt(std::string_view prompt) {
    prompt_.clear();
    if (style_.enabled()) {
      prompt_ += kEscape;
      prompt_ += style_.begin(Colour::green);
      prompt_ += kEscape;
    }
    prompt_ += prompt;
  }

  void restore_colour() const { print_now(style_.begin(Colour::none)); }

  Style style_;
  History* history_ = nullptr;
  EditLine* editor_ = nullptr;
  std::string prompt_;
};

}  // namespace

std::unique_ptr<LineEditor> make_line_editor() {
  if (isatty(STDIN_FILENO) != 0 && is_live_terminal(STDOUT_FILENO)) {
    return std::make_unique<TerminalEditor>();
  }
  return std::make_unique<PlainReader>();
}

}  // namespace pith::cli
