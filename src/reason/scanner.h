// A position in plain notation that only grows, and what stands there.
#pragma once

#include <string>
#include <string_view>

#include "base/ascii.h"

namespace pith {

class Scanner {
 public:
  // What is longer is no name, and cut.
  static constexpr size_t kLongestName = 64;

  explicit Scanner(std::string_view text) : text_(text) {}

  std::string_view text() const { return text_; }
  size_t position() const { return position_; }
  void move_to(size_t position) { position_ = position; }
  void advance(size_t count = 1) { position_ += count; }

  bool at_end() const { return position_ >= text_.size(); }
  // The character `offset` ahead, '\0' beyond the end.
  char peek(size_t offset = 0) const {
    return position_ + offset < text_.size() ? text_[position_ + offset] : '\0';
  }
  bool starts_with(std::string_view what) const {
    return text_.substr(position_, what.size()) == what;
  }
  bool after_space() const { return position_ > 0 && is_space(text_[position_ - 1]); }

  void skip_spaces();
  // Skips spaces, and `c` if it comes next.
  bool accept(char c);

  // The name at the position, as it stands and in lower case; empty without one.
  std::string_view name_as_written() const;
  std::string name_ahead() const;
  // Skips spaces, and the name (in any case) if it comes next.
  bool accept_name(std::string_view name);

  // The words that LaTeX's \text marks at the position, without the marks; empty
  // without any.
  std::string_view phrase_ahead() const;
  void skip_phrase();

 private:
  std::string_view text_;
  size_t position_ = 0;
};

}  // namespace pith
