#include "serve/thought_splitter.h"

#include <algorithm>
#include <utility>

namespace pith {
namespace {

// How many of the last bytes of `text` are a beginning of `mark`, but not all of it.
size_t open_bytes(std::string_view text, std::string_view mark) {
  size_t bytes = std::min(text.size(), mark.size() - 1);
  while (bytes > 0 && !mark.starts_with(text.substr(text.size() - bytes))) --bytes;
  return bytes;
}

}  // namespace

// All families that think open with the mark that they close with, but for its slash.
ThoughtSplitter::ThoughtSplitter(std::string_view end, bool inside)
    : end_(end), phase_(inside ? Phase::thought : Phase::opening), at_break_(inside) {
  if (end.empty()) {
    phase_ = Phase::answer;
  } else {
    begin_ = end_;
    begin_.erase(1, 1);
  }
}

ThoughtSplitter::Parts ThoughtSplitter::push(std::string_view text) {
  held_ += text;
  Parts parts;
  take(parts);
  return parts;
}

ThoughtSplitter::Parts ThoughtSplitter::finish() {
  Parts parts;
  take(parts);
  (phase_ == Phase::thought ? parts.thought : parts.answer) += std::exchange(held_, {});
  return parts;
}

// Behind a mark. False when more must be seen.
bool ThoughtSplitter::skip_breaks() {
  if (!at_break_) return true;
  held_.erase(0, std::min(held_.find_first_not_of('\n'), held_.size()));
  if (held_.empty()) return false;
  at_break_ = false;
  return true;
}

void ThoughtSplitter::take(Parts& parts) {
  if (phase_ == Phase::opening) {
    const size_t first = std::min(held_.find_first_not_of(" \t\r\n"), held_.size());
    const std::string_view rest = std::string_view(held_).substr(first);
    if (rest.starts_with(begin_)) {
      held_.erase(0, first + begin_.size());
      phase_ = Phase::thought;
      at_break_ = true;
    } else if (begin_.starts_with(rest)) {
      return;  // it may still come
    } else {
      phase_ = Phase::answer;
    }
  }
  if (phase_ == Phase::thought) {
    if (!skip_breaks()) return;
    const size_t end = held_.find(end_);
    if (end == std::string::npos) {
      const size_t sure = held_.size() - open_bytes(held_, end_);
      parts.thought = held_.substr(0, sure);
      held_.erase(0, sure);
      return;
    }
    parts.thought = held_.substr(0, end);
    held_.erase(0, end + end_.size());
    phase_ = Phase::answer;
    at_break_ = true;
  }
  if (skip_breaks()) parts.answer += std::exchange(held_, {});
}

}  // namespace pith
