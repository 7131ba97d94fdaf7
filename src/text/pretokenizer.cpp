#include "text/pretokenizer.h"

#include "text/unicode.h"
#include "text/utf8.h"

namespace pith {
namespace {

enum class Kind : uint8_t { other, letter, number, space, end };

struct Char {
  Kind kind = Kind::end;
  char32_t code_point = 0;
  size_t next = 0;  // where the following character starts

  bool is_newline() const { return code_point == '\n' || code_point == '\r'; }
};

Kind kind_of(CharClass char_class) {
  switch (char_class) {
    case CharClass::letter:
      return Kind::letter;
    case CharClass::number:
      return Kind::number;
    case CharClass::space:
      return Kind::space;
    case CharClass::other:
      break;
  }
  return Kind::other;
}

// Views a text as characters. All positions are byte offsets.
class Scanner {
 public:
  // With `numbers_end_text` a number counts as the end of the text.
  explicit Scanner(std::string_view text, bool numbers_end_text = false)
      : text_(text), numbers_end_text_(numbers_end_text) {}

  Char at(size_t position) const {
    if (position >= text_.size()) return {Kind::end, 0, text_.size()};
    const Utf8Char c = decode_utf8(text_, position);
    const Kind kind = kind_of(char_class(c.code_point));
    if (numbers_end_text_ && kind == Kind::number) return {Kind::end, 0, position};
    return {kind, c.code_point, position + c.length};
  }

  // The first position from `position` on whose character is not of `kind`.
  size_t skip(Kind kind, size_t position) const {
    for (Char c = at(position); c.kind == kind; c = at(position)) position = c.next;
    return position;
  }

  size_t skip_newlines(size_t position) const {
    while (position < text_.size() && (text_[position] == '\n' || text_[position] == '\r')) {
      ++position;
    }
    return position;
  }

  // The end of 's 't 're 've 'm 'll or 'd at `begin`; `begin` when there is none.
  size_t contraction_end(size_t begin, bool any_case) const;

  // \s+(?!\S)|\s+ at a space: the run without its last character, which belongs to
  // what follows; all of the run at the end of the text or when it is one character.
  size_t space_end(size_t begin) const;

  // The end of the last line break in the run of spaces at `begin`; `begin` without one.
  size_t last_newline_end(size_t begin) const;

 private:
  std::string_view text_;
  bool numbers_end_text_;
};

// The lower-case ASCII letter that `c` is, or, in any case, folds to; 0 for none.
// U+017F, the long s, folds to s as in the regular expression's (?i:'s).
char32_t contraction_letter(char32_t c, bool any_case) {
  if (c >= 'a' && c <= 'z') return c;
  if (!any_case) return 0;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 'a';
  return c == U'\u017f' ? U's' : U'\0';
}

size_t Scanner::contraction_end(size_t begin, bool any_case) const {
  if (text_[begin] != '\'') return begin;
  const Char first = at(begin + 1);
  const char32_t a = contraction_letter(first.code_point, any_case);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return first.next;
  if (a != 'r' && a != 'v' && a != 'l') return begin;
  const Char second = at(first.next);
  const char32_t b = contraction_letter(second.code_point, any_case);
  return b == (a == 'l' ? U'l' : U'e') ? second.next : begin;
}

size_t Scanner::space_end(size_t begin) const {
  size_t last = begin;
  size_t end = begin;
  Char c = at(begin);
  for (; c.kind == Kind::space; c = at(end)) {
    last = end;
    end = c.next;
  }
  return c.kind == Kind::end || last == begin ? end : last;
}

size_t Scanner::last_newline_end(size_t begin) const {
  size_t result = begin;
  for (Char c = at(begin); c.kind == Kind::space; c = at(c.next)) {
    if (c.is_newline()) result = c.next;
  }
  return result;
}

size_t gpt2_end(const Scanner& text, size_t begin) {
  if (const size_t end = text.contraction_end(begin, false); end != begin) return end;
  const Char first = text.at(begin);
  const Char body = first.code_point == ' ' ? text.at(first.next) : first;
  if (body.kind != Kind::space && body.kind != Kind::end) return text.skip(body.kind, body.next);
  return text.space_end(begin);
}

size_t smollm_end(std::string_view text, size_t begin) {
  const Char first = Scanner(text).at(begin);
  if (first.kind == Kind::number) return first.next;
  return gpt2_end(Scanner(text, true), begin);
}

size_t llama3_end(const Scanner& text, size_t begin, int max_digits) {
  if (const size_t end = text.contraction_end(begin, true); end != begin) return end;
  const Char first = text.at(begin);
  if (first.kind == Kind::number) {
    size_t end = first.next;
    for (int digits = 1; digits < max_digits; ++digits) {
      const Char c = text.at(end);
      if (c.kind != Kind::number) break;
      end = c.next;
    }
    return end;
  }
  const Char second = text.at(first.next);
  if (first.kind == Kind::letter) return text.skip(Kind::letter, first.next);
  if (!first.is_newline() && second.kind == Kind::letter) {
    return text.skip(Kind::letter, second.next);
  }
  const Char body = first.code_point == ' ' ? second : first;
  if (body.kind == Kind::other) return text.skip_newlines(text.skip(Kind::other, body.next));
  if (const size_t end = text.last_newline_end(begin); end != begin) return end;
  return text.space_end(begin);
}

}  // namespace

std::optional<PreTokenizer> pretokenizer_by_name(std::string_view name) {
  if (name == "gpt-2") return PreTokenizer::gpt2;
  if (name == "smollm") return PreTokenizer::smollm;
  if (name == "qwen2" || name == "deepseek-r1-qwen") return PreTokenizer::qwen2;
  if (name == "llama-bpe" || name == "llama3" || name == "llama-v3") return PreTokenizer::llama3;
  return std::nullopt;
}

size_t pretoken_end(PreTokenizer kind, std::string_view text, size_t begin) {
  switch (kind) {
    case PreTokenizer::gpt2:
      return gpt2_end(Scanner(text), begin);
    case PreTokenizer::smollm:
      return smollm_end(text, begin);
    case PreTokenizer::qwen2:
      return llama3_end(Scanner(text), begin, 1);
    case PreTokenizer::llama3:
      return llama3_end(Scanner(text), begin, 3);
  }
  return text.size();
}

}  // namespace pith
