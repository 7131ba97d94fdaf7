#include "reason/markers.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"

namespace pith {
namespace {

using std::string_view;

constexpr size_t kNone = string_view::npos;
// Between "answer" and "is", as in "the answer to the second question is".
constexpr size_t kLongestLead = 80;
// A final answer is shorter than this.
constexpr size_t kLongestPhrase = 400;

bool matches_at(string_view text, size_t at, string_view word) {
  if (at + word.size() > text.size()) return false;
  for (size_t i = 0; i < word.size(); ++i) {
    if (lower(text[at + i]) != word[i]) return false;
  }
  return true;
}

bool word_at(string_view text, size_t at, string_view word) {
  return matches_at(text, at, word) && (at == 0 || !is_letter(text[at - 1])) &&
         (at + word.size() == text.size() || !is_letter(text[at + word.size()]));
}

// The length of "\boxed" or "\fbox" at the position, or 0.
size_t box_command(string_view text, size_t at) {
  for (const string_view name : {string_view("\\boxed"), string_view("\\fbox")}) {
    const size_t end = at + name.size();
    if (text.substr(at, name.size()) == name && (end == text.size() || !is_letter(text[end]))) {
      return name.size();
    }
  }
  return 0;
}

struct Boxes {
  std::optional<string_view> closed;  // content of the last one that is closed
  size_t open_content = kNone;        // where that of the last open one begins
};

// One pass with a stack of the braces that are open.
Boxes scan_boxes(string_view text) {
  struct Brace {
    size_t content;
    bool box;
  };
  Boxes boxes;
  std::vector<Brace> open;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      const size_t command = box_command(text, i);
      size_t next = i + command;
      while (command > 0 && next < text.size() && is_space(text[next])) ++next;
      if (command > 0 && next < text.size() && text[next] == '{') {
        open.push_back({next + 1, true});
        boxes.open_content = next + 1;
        i = next;
      } else if (command > 0) {
        const size_t end = std::min(text.find_first_of(" \n$.,", next), text.size());
        if (end > next) boxes.closed = text.substr(next, end - next);
        i = end - 1;
      } else {
        ++i;  // an escaped brace is no brace
      }
    } else if (c == '{') {
      open.push_back({i + 1, false});
    } else if (c == '}' && !open.empty()) {
      const Brace brace = open.back();
      open.pop_back();
      const string_view content = text.substr(brace.content, i - brace.content);
      if (brace.box && !is_blank(content)) boxes.closed = content;
      if (brace.content == boxes.open_content) boxes.open_content = kNone;
    } else if (c == '\n' && i + 1 < text.size() && text[i + 1] == '\n') {
      open.clear();
    }
  }
  return boxes;
}

// ---- Phrases

bool ends_sentence(string_view text, size_t at) {
  const char c = text[at];
  if (c == '\n') return true;
  if (c != '.' && c != '!' && c != '?') return false;
  const char next = at + 1 < text.size() ? text[at + 1] : '\n';
  return is_space(next) || next == '*' || next == '$' || next == '"';
}

// The inside of a formula that starts the text, as in "$\frac12$" or "\(5\)". A
// "$" that a digit follows on and no "$" closes on the same line is money.
std::optional<string_view> leading_formula(string_view text) {
  constexpr std::array<std::pair<string_view, string_view>, 4> kDelimiters = {
      {{"$$", "$$"}, {"$", "$"}, {"\\(", "\\)"}, {"\\[", "\\]"}}};
  for (const auto& [open, close] : kDelimiters) {
    if (text.substr(0, open.size()) != open) continue;
    const size_t end = text.find(close, open.size());
    if (end == kNone || end == open.size()) return std::nullopt;
    const string_view inside = text.substr(open.size(), end - open.size());
    const bool one_line = open != "$" || inside.find('\n') == kNone;
    const bool money = open == "$" && (is_space(inside.back()) || is_space(inside.front()));
    if (one_line && !money) return trimmed(inside);
    return std::nullopt;
  }
  return std::nullopt;
}

// From the start of the value to the end of its sentence.
string_view phrase_at(string_view text, size_t begin) {
  text = text.substr(begin);
  constexpr string_view kLead = "*_:= \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kLead), text.size()));
  text = text.substr(0, kLongestPhrase);
  if (const auto formula = leading_formula(text)) return *formula;
  size_t end = 0;
  while (end < text.size() && !ends_sentence(text, end) && text.substr(end, 2) != "**") ++end;
  return trimmed(text.substr(0, end));
}

// Whether the line that `at` is in starts as a heading or in bold.
bool in_heading(string_view text, size_t at) {
  const size_t from = at > kLongestLead ? at - kLongestLead : 0;
  const string_view before = text.substr(from, at - from);
  const size_t newline = before.rfind('\n');
  const size_t start = from + (newline == kNone ? 0 : newline + 1);
  return text[start] == '#' || text[start] == '*';
}

// The position of the value behind "answer" (whose end is `at`); kNone when what
// follows is no statement of an answer.
size_t value_after(string_view text, size_t at) {
  constexpr std::array<string_view, 5> kVerbs = {"is", "are", "be", "equals", "was"};
  const size_t limit = std::min(text.size(), at + kLongestLead);
  bool only_markup = true;
  for (size_t i = at; i < limit; ++i) {
    const char c = text[i];
    if (c == ':' || c == '=') return i + 1;
    if (c == '\n' && only_markup && in_heading(text, at)) return i + 1;
    if (ends_sentence(text, i)) return kNone;
    for (const string_view verb : kVerbs) {
      if (word_at(text, i, verb)) return i + verb.size();
    }
    only_markup = only_markup && (c == '*' || c == '_' || c == '#' || is_space(c));
  }
  return kNone;
}

// gsm8k's "#### 18", but not a heading of the fourth level.
bool is_hash_answer(string_view phrase) {
  if (phrase.empty()) return false;
  const char c = phrase.front();
  return is_digit(c) || phrase.size() <= 6 || string_view("-$.\\(+").find(c) != kNone;
}

// ---- Numbers

// The matching close brace of the open one at `open`; kNone without one.
size_t matching_brace(string_view text, size_t open) {
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      return i;
    }
  }
  return kNone;
}

// The \frac{..}{..} around the digit at `at`, with the sign before it.
std::optional<string_view> fraction_around(string_view text, size_t at) {
  constexpr size_t kReach = 64;
  const size_t from = at > kReach ? at - kReach : 0;
  const string_view window = text.substr(from, 2 * kReach);
  const size_t name = window.substr(0, at - from).rfind("frac{");
  if (name == kNone) return std::nullopt;
  const size_t first_end = matching_brace(window, name + 4);
  if (first_end == kNone || window.substr(first_end + 1, 1) != "{") return std::nullopt;
  const size_t end = matching_brace(window, first_end + 1);
  if (end == kNone || from + end < at) return std::nullopt;
  size_t begin = window.substr(0, name).rfind('\\');
  if (begin == kNone || name - begin > 2) return std::nullopt;
  if (begin > 0 && window[begin - 1] == '-') --begin;
  return window.substr(begin, end + 1 - begin);
}

// The first character of the number whose last digit is at `last`.
size_t number_begin(string_view text, size_t last) {
  size_t begin = last;
  const auto before = [&](size_t distance) {
    return begin >= distance ? text[begin - distance] : '\0';
  };
  while (is_digit(before(1)) || (string_view(",./").find(before(1)) != kNone && before(1) != '\0' &&
                                 is_digit(before(2)))) {
    --begin;
  }
  if (before(1) == '.') --begin;
  return begin;
}

// Takes in the sign and the currency before a number.
size_t with_sign(string_view text, size_t begin) {
  const auto before = [&](size_t at) { return at > 0 ? text[at - 1] : '\0'; };
  if (before(begin) == '$') --begin;
  if (before(begin) == '\\') --begin;
  const bool minus = before(begin) == '-' && begin >= 1;
  if (minus && (begin == 1 || (!is_digit(text[begin - 2]) && !is_letter(text[begin - 2]) &&
                               text[begin - 2] != ')' && text[begin - 2] != '}'))) {
    --begin;
  }
  return begin;
}

// One layer of markup less, or the same text.
string_view unwrapped(string_view text) {
  text = trimmed(text);
  constexpr std::array<std::pair<string_view, string_view>, 8> kPairs = {{{"$$", "$$"},
                                                                          {"$", "$"},
                                                                          {"\\(", "\\)"},
                                                                          {"\\[", "\\]"},
                                                                          {"**", "**"},
                                                                          {"*", "*"},
                                                                          {"`", "`"},
                                                                          {"\"", "\""}}};
  for (const auto& [open, close] : kPairs) {
    const bool wraps = text.size() > open.size() + close.size() &&
                       text.substr(0, open.size()) == open &&
                       text.substr(text.size() - close.size()) == close;
    if (wraps) return text.substr(open.size(), text.size() - open.size() - close.size());
  }
  for (const string_view command :
       {string_view("\\text{"), string_view("\\textbf{"), string_view("\\mathrm{"),
        string_view("\\mathbf{"), string_view("\\boxed{"), string_view("\\fbox{"),
        string_view("\\mbox{"), string_view("\\textit{")}) {
    if (text.substr(0, command.size()) == command &&
        matching_brace(text, command.size() - 1) == text.size() - 1) {
      return text.substr(command.size(), text.size() - command.size() - 1);
    }
  }
  return text;
}

}  // namespace

std::optional<string_view> last_boxed(string_view text) { return scan_boxes(text).closed; }

std::optional<string_view> open_boxed(string_view text) {
  const size_t begin = scan_boxes(text).open_content;
  if (begin == kNone) return std::nullopt;
  const string_view rest = text.substr(begin, text.find('\n', begin) - begin);
  return is_blank(rest) ? std::nullopt : std::optional(trimmed(rest));
}

std::vector<string_view> answer_phrases(string_view text, size_t limit) {
  constexpr string_view kAnswer = "answer";
  std::vector<string_view> phrases;
  for (size_t i = text.size(); i-- > 0 && phrases.size() < limit;) {
    if (lower(text[i]) == 'a' && matches_at(text, i, kAnswer)) {
      const size_t value = value_after(text, i + kAnswer.size());
      const string_view phrase = value == kNone ? string_view() : phrase_at(text, value);
      if (!phrase.empty()) phrases.push_back(phrase);
    } else if (text[i] == '#' && text.substr(i, 5).substr(0, 4) == "####") {
      const string_view phrase = phrase_at(text, i + 4);
      if (is_hash_answer(phrase)) phrases.push_back(phrase);
    }
  }
  return phrases;
}

std::optional<string_view> last_number(string_view text) {
  size_t end = text.size();
  while (end > 0) {
    if (!is_digit(text[end - 1])) {
      --end;
      continue;
    }
    if (const auto fraction = fraction_around(text, end - 1)) return fraction;
    size_t begin = number_begin(text, end - 1);
    const char before = begin > 0 ? text[begin - 1] : '\0';
    const bool power = before == '^' || (before == '{' && begin > 1 && text[begin - 2] == '^');
    if (power) begin -= before == '^' ? 1 : 2;
    if (power && begin > 0 && is_digit(text[begin - 1])) {
      begin = number_begin(text, begin - 1);
    } else if (power || is_letter(before) || before == '_') {
      end = begin;
      continue;
    }
    if (end < text.size() && text[end] == '\\' && text.substr(end, 2) == "\\%") ++end;
    if (end < text.size() && text[end] == '%') ++end;
    begin = with_sign(text, begin);
    return text.substr(begin, end - begin);
  }
  return std::nullopt;
}

string_view without_markup(string_view text) {
  constexpr int kLayers = 8;
  for (int layer = 0; layer < kLayers; ++layer) {
    const string_view inner = unwrapped(text);
    if (inner == text) break;
    text = inner;
  }
  return trimmed(text);
}

}  // namespace pith
