// extract_answer: from the markers of a solution to its answer, kind by kind.
#include <algorithm>
#include <array>
#include <vector>

#include "base/ascii.h"
#include "reason/answer.h"
#include "reason/canonical.h"
#include "reason/latex.h"
#include "reason/markers.h"

namespace pith {
namespace {

using std::string_view;

constexpr size_t kPhrases = 8;             // statements of an answer that are looked at
constexpr size_t kLongestStatement = 200;  // of an answer; in what is longer only a number counts

char at(string_view text, size_t i) { return i < text.size() ? text[i] : '\0'; }

// ---- Numbers and free-form answers

// A number, a tuple or set of them, a formula: not mere words.
bool is_mathematics(string_view phrase) {
  const auto plain = plain_notation(phrase);
  const auto value = plain ? parse_expression(*plain) : std::nullopt;
  if (!value) return false;
  const std::string text = written_out(*value).text;
  return std::any_of(text.begin(), text.end(), is_digit);
}

// Has a word of three letters or more that is no command of LaTeX.
bool has_words(string_view phrase) {
  for (size_t i = 0; i < phrase.size();) {
    size_t end = i;
    while (is_letter(at(phrase, end))) ++end;
    if (end - i >= 3 && (i == 0 || phrase[i - 1] != '\\')) return true;
    i = std::max(end, i + 1);
  }
  return false;
}

// Without the reasons that follow an answer: "18, because ..".
string_view first_clause(string_view phrase) {
  size_t end = phrase.size();
  for (const string_view mark : {", ", "; ", " because ", " since "}) {
    end = std::min(end, phrase.find(mark));
  }
  return without_markup(phrase.substr(0, end));
}

// "18 dollars" as it stands, "18, because .." up to the comma, "that she makes $18 a
// day" its number, "Evelyn" as it stands.
std::optional<string_view> number_in_phrase(string_view phrase) {
  phrase = without_markup(phrase);
  if (phrase.empty()) return std::nullopt;
  if (phrase.size() > kLongestStatement) return last_number(phrase);
  if (!has_words(phrase) || is_mathematics(phrase)) return phrase;
  const string_view clause = first_clause(phrase);
  if (is_mathematics(clause)) return clause;
  if (is_digit(phrase.front())) return phrase;  // "3 hours 20 minutes"
  const auto number = last_number(phrase);
  return number ? number : phrase;
}

// ---- Choices

bool is_choice(char c) { return lower(c) >= 'a' && lower(c) <= 'j'; }

// "B", "b", "(B)", "B) run", "B. run", "B: run" at the very start.
std::optional<string_view> leading_choice(string_view text) {
  text = without_markup(text);
  const size_t i = at(text, 0) == '(' ? 1 : 0;
  if (!is_choice(at(text, i))) return std::nullopt;
  const char next = at(text, i + 1);
  const bool ends =
      i == 1 ? next == ')' : next == '\0' || string_view(").:,").find(next) != string_view::npos;
  return ends ? std::optional(text.substr(i, 1)) : std::nullopt;
}

// How surely the letter at `i` names a choice: 0 not at all, 3 "option B".
int choice_strength(string_view text, size_t i) {
  if (!is_choice(text[i])) return 0;
  const char before = i > 0 ? text[i - 1] : ' ';
  const char after = at(text, i + 1);
  const auto joins = [](char c) { return is_letter(c) || is_digit(c) || c == '\'' || c == '_'; };
  if (joins(before) || joins(after) || before == '\\') return 0;
  if (before == '(' && after == ')') return 2;
  if (is_lower(text[i])) return 0;
  for (const string_view word : {string_view("option "), string_view("choice ")}) {
    if (i < word.size()) continue;
    const string_view lead = text.substr(i - word.size(), word.size());
    if (std::equal(lead.begin(), lead.end(), word.begin(),
                   [](char a, char b) { return lower(a) == b; })) {
      return 3;
    }
  }
  if (after == ')' || (before == '*' && after == '*')) return 2;
  // "A dog", "I think": words, not letters.
  const bool word = (text[i] == 'A' && after == ' ' && is_lower(at(text, i + 2))) ||
                    (text[i] == 'I' && after == ' ');
  return word ? 0 : 1;
}

enum class Pick { first, last };

struct Choice {
  string_view letter;
  int strength = 0;
};

Choice strongest_choice(string_view text, Pick pick) {
  Choice best;
  for (size_t i = 0; i < text.size(); ++i) {
    const int strength = choice_strength(text, i);
    if (strength > best.strength || (strength == best.strength && pick == Pick::last)) {
      best = {text.substr(i, 1), strength};
    }
  }
  return best;
}

std::optional<string_view> found(const Choice& choice) {
  return choice.strength > 0 ? std::optional(choice.letter) : std::nullopt;
}

std::optional<string_view> choice_in_phrase(string_view phrase) {
  if (const auto letter = leading_choice(phrase)) return letter;
  return found(strongest_choice(phrase, Pick::first));
}

std::optional<string_view> choice_in_text(string_view text) {
  constexpr size_t kShortReply = 64;  // a choice and its wording, no reasoning
  const Choice strongest = strongest_choice(text, Pick::last);
  const auto leading = text.size() <= kShortReply ? leading_choice(text) : std::nullopt;
  return strongest.strength < 2 && leading ? leading : found(strongest);
}

// ---- Yes or no

constexpr std::array<string_view, 4> kVerdicts = {"yes", "no", "true", "false"};

// The verdict that starts at `i` as a word of its own; empty when there is none.
string_view verdict_at(string_view text, size_t i) {
  if (i > 0 && is_letter(text[i - 1])) return {};
  for (const string_view verdict : kVerdicts) {
    const string_view word = text.substr(i, verdict.size());
    const bool same = std::equal(word.begin(), word.end(), verdict.begin(), verdict.end(),
                                 [](char a, char b) { return lower(a) == b; });
    if (same && !is_letter(at(text, i + verdict.size()))) return word;
  }
  return {};
}

std::optional<string_view> verdict_in_phrase(string_view phrase) {
  for (size_t i = 0; i < phrase.size(); ++i) {
    const string_view verdict = verdict_at(phrase, i);
    if (!verdict.empty()) return verdict;
  }
  return std::nullopt;
}

// The first word if it is a verdict; otherwise the last verdict that ends a clause
// ("no" before a noun is none), otherwise the last one at all.
std::optional<string_view> verdict_in_text(string_view text) {
  const size_t start = std::min(text.find_first_not_of(" \t\r\n*\"'"), text.size());
  if (const string_view first = verdict_at(text, start); !first.empty()) return first;
  std::optional<string_view> last;
  bool last_ends_clause = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const string_view verdict = verdict_at(text, i);
    if (verdict.empty()) continue;
    const bool ends_clause = at(text, i + verdict.size()) != ' ';
    if (!ends_clause && last_ends_clause) continue;
    last = verdict;
    last_ends_clause = ends_clause;
  }
  return last;
}

// ---- The three kinds alike

struct Finder {
  std::optional<string_view> (*in_phrase)(string_view);
  std::optional<string_view> (*in_text)(string_view);
};

Finder finder(AnswerKind kind) {
  switch (kind) {
    case AnswerKind::choice:
      return {choice_in_phrase, choice_in_text};
    case AnswerKind::yes_no:
      return {verdict_in_phrase, verdict_in_text};
    case AnswerKind::number:
      break;
  }
  return {number_in_phrase, last_number};
}

std::optional<string_view> find_answer(string_view solution, AnswerKind kind) {
  const Finder find = finder(kind);
  auto boxed = last_boxed(solution);
  if (!boxed) boxed = open_boxed(solution);
  if (const auto answer = boxed ? find.in_phrase(*boxed) : std::nullopt) return answer;
  for (const string_view phrase : answer_phrases(solution, kPhrases)) {
    if (const auto answer = find.in_phrase(phrase)) return answer;
  }
  return find.in_text(solution);
}

}  // namespace

std::optional<std::string> extract_answer(string_view solution, AnswerKind kind) {
  const auto answer = find_answer(solution, kind);
  return answer ? std::optional<std::string>(*answer) : std::nullopt;
}

}  // namespace pith
