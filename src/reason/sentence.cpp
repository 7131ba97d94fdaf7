#include "reason/sentence.h"

#include "base/ascii.h"

namespace pith {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::string_view kClosers = ")]}\"'*_$";          // may follow a full stop, or precede it
constexpr std::string_view kAnnouncers = ":,;=+<>([{&|\\";  // at the end of a line that goes on

bool one_of(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }

// Any character beyond ASCII is taken for one of a word.
bool in_word(char c) { return is_letter(c) || is_foreign(c); }

bool in_displayed_formula(std::string_view text) {
  const size_t opened = text.rfind("\\[");
  const size_t closed = text.rfind("\\]");
  if (opened != std::string_view::npos && (closed == std::string_view::npos || closed < opened)) {
    return true;
  }
  bool dollars = false;
  for (size_t at = text.find("$$"); at != std::string_view::npos; at = text.find("$$", at + 2)) {
    dollars = !dollars;
  }
  return dollars;
}

bool ends_with_full_stop(std::string_view text) {
  for (const std::string_view stop : {"。", "！", "？"}) {
    if (text.ends_with(stop)) return true;
  }
  while (!text.empty() && one_of(kClosers, text.back())) text.remove_suffix(1);
  if (text.size() < 3) return false;
  if (one_of("!?", text.back())) return true;
  if (text.back() != '.') return false;
  const char last = text[text.size() - 2];
  return one_of(kClosers, last) || (in_word(last) && in_word(text[text.size() - 3]));
}

}  // namespace

bool ends_sentence(std::string_view text) {
  const size_t last = text.find_last_not_of(kBlanks);
  if (last == std::string_view::npos || in_displayed_formula(text)) return false;
  const bool line = text.substr(last + 1).find('\n') != std::string_view::npos;
  text = text.substr(0, last + 1);
  return line ? !one_of(kAnnouncers, text.back()) : ends_with_full_stop(text);
}

}  // namespace pith
