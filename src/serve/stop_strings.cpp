#include "serve/stop_strings.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace pith {

StopStrings::StopStrings(std::vector<std::string> strings) : strings_(std::move(strings)) {
  for (const std::string& string : strings_) PITH_CHECK(!string.empty());
}

std::string StopStrings::push(std::string_view text) {
  if (stopped_) return {};
  held_ += text;
  size_t begin = std::string::npos;
  size_t end = std::string::npos;
  for (const std::string& string : strings_) {
    const size_t at = held_.find(string);
    if (at == std::string::npos || at + string.size() > end) continue;
    begin = at + string.size() < end ? at : std::min(begin, at);
    end = at + string.size();
  }
  stopped_ = begin != std::string::npos;
  std::string sure = held_.substr(0, stopped_ ? begin : certain_bytes());
  held_.erase(0, stopped_ ? held_.size() : sure.size());
  return sure;
}

// Of what is held back, without a match in it: up to where one may begin.
size_t StopStrings::certain_bytes() const {
  const std::string_view held = held_;
  size_t certain = held.size();
  for (const std::string& string : strings_) {
    const size_t longest = std::min(held.size(), string.size() - 1);
    for (size_t at = held.size() - longest; at < certain; ++at) {
      if (string.starts_with(held.substr(at))) certain = at;
    }
  }
  return certain;
}

std::string StopStrings::finish() { return std::exchange(held_, {}); }

}  // namespace pith
