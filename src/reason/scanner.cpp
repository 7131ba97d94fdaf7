#include "reason/scanner.h"

#include <algorithm>

#include "reason/latex.h"
#include "reason/words.h"

namespace pith {

void Scanner::skip_spaces() {
  while (!at_end() && is_space(peek())) ++position_;
}

bool Scanner::accept(char c) {
  skip_spaces();
  if (at_end() || peek() != c) return false;
  ++position_;
  return true;
}

std::string_view Scanner::name_as_written() const {
  const size_t limit = std::min(text_.size(), position_ + kLongestName);
  size_t end = position_;
  while (end < limit && is_letter(text_[end])) ++end;
  return text_.substr(position_, end - position_);
}

std::string Scanner::name_ahead() const { return lower_case(name_as_written()); }

bool Scanner::accept_name(std::string_view name) {
  skip_spaces();
  if (!is_letter(peek()) || name_ahead() != name) return false;
  position_ += name.size();
  return true;
}

std::string_view Scanner::phrase_ahead() const {
  if (peek() != kPhraseBegin) return {};
  const size_t end = text_.find(kPhraseEnd, position_);
  return end == std::string_view::npos ? std::string_view()
                                       : text_.substr(position_ + 1, end - position_ - 1);
}

void Scanner::skip_phrase() { position_ += phrase_ahead().size() + 2; }

}  // namespace pith
