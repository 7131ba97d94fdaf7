#include "reason/latex.h"

#include <algorithm>

#include "reason/latex_commands.h"
#include "reason/scanner.h"
#include "reason/words.h"

namespace pith {
namespace {

// Deeper than any answer that a person would write; keeps the recursion short.
constexpr int kMaxLatexDepth = 32;

// Prose, as against a single letter, a number or a formula in \text.
bool is_prose(std::string_view content) {
  const bool plain = std::all_of(content.begin(), content.end(), [](char c) {
    return is_letter(c) || is_space(c) || is_foreign(c) ||
           std::string_view(".,;:'!?-/").find(c) != std::string_view::npos;
  });
  const auto two_letters = std::adjacent_find(
      content.begin(), content.end(), [](char a, char b) { return is_letter(a) && is_letter(b); });
  const std::string word = lower_case(trimmed(content, ",", ","));
  return plain && two_letters != content.end() && !is_connective(word) && !is_function(word);
}

// A recursive-descent reader that writes as it goes; `position_` only grows.
class LatexReader {
 public:
  explicit LatexReader(std::string_view text) : text_(text) {}

  std::optional<std::string> read() {
    sequence(/*in_group=*/false);
    if (failed_) return std::nullopt;
    return std::move(out_);
  }

 private:
  bool at_end() const { return position_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[position_]; }
  bool starts_with(std::string_view what) const {
    return text_.substr(position_, what.size()) == what;
  }
  bool skip(std::string_view what) {
    if (!starts_with(what)) return false;
    position_ += what.size();
    return true;
  }
  void skip_spaces() {
    while (!at_end() && is_space(peek())) ++position_;
  }

  // Everything up to the brace that closes the group, or to the end.
  void sequence(bool in_group) {
    if (++depth_ > kMaxLatexDepth) failed_ = true;
    while (!failed_ && !at_end()) {
      if (peek() == '}') {
        ++position_;
        if (in_group) break;
        out_.push_back('}');
      } else {
        element();
      }
    }
    --depth_;
  }

  void element() {
    const char c = peek();
    if (c == '\\') {
      command();
    } else if (c == '{') {
      brace();
    } else if (c == '^' || c == '_') {
      script(c);
    } else if (c == ',') {
      comma();
    } else if (c == '&' && matrix_depth_ > 0) {
      ++position_;
      out_.push_back(',');
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      beyond_ascii();
    } else {
      ++position_;
      const bool blank = c == '$' || c == '~' || (c >= 0 && c < ' ');
      out_.push_back(blank ? ' ' : c);
    }
  }

  // A bare group: "{,}" separates thousands, the rest keeps its braces (people
  // write sets like this).
  void brace() {
    if (skip("{,}")) return;
    ++position_;
    out_.push_back('{');
    sequence(/*in_group=*/true);
    out_.push_back('}');
  }

  // "^\circ" is a degree sign; "^{..}" and "_{..}" keep their argument together.
  void script(char kind) {
    ++position_;
    skip_spaces();
    if (kind == '^' && (skip("\\circ") || skip("{\\circ}") || skip("\\degree"))) {
      out_ += " deg ";
      return;
    }
    if (kind == '^' && (skip("\\prime") || skip("{\\prime}"))) {
      out_ += '\'';
      return;
    }
    out_.push_back(kind);
    if (peek() == '{') group("(", ")");
  }

  void comma() {
    ++position_;
    size_t ahead = position_;
    while (ahead < text_.size() && is_space(text_[ahead])) ++ahead;
    if (text_.substr(ahead, 2) != "\\!") {
      out_.push_back(',');
      return;
    }
    position_ = ahead + 2;
    skip_spaces();
  }

  void beyond_ascii() {
    const Replacement* known = plain_character(text_.substr(position_));
    if (known == nullptr) {
      out_.push_back(text_[position_++]);
      return;
    }
    position_ += known->from.size();
    out_ += known->to;
  }

  // One argument: a group, a command or a single character.
  void argument() {
    skip_spaces();
    if (at_end()) return;
    if (peek() == '{') {
      ++position_;
      sequence(/*in_group=*/true);
    } else if (peek() == '\\') {
      command();
    } else {
      out_.push_back(text_[position_++]);
    }
  }

  void group(std::string_view open, std::string_view close) {
    const bool joins = !out_.empty() && is_letter(out_.back()) && is_letter(open.front());
    if (joins) out_ += ' ';  // "x\sqrt2" is no name "xsqrt"
    out_ += open;
    argument();
    out_ += close;
  }

  std::string_view command_name() {
    const size_t begin = position_;
    while (!at_end() && is_letter(peek())) ++position_;
    if (position_ == begin && !at_end()) ++position_;
    return text_.substr(begin, position_ - begin);
  }

  void command() {
    if (++depth_ > kMaxLatexDepth) {
      failed_ = true;
      return;
    }
    ++position_;  // the backslash
    const std::string_view name = command_name();
    if (name == "sqrt") {
      square_root();
    } else if (name == "begin" || name == "end") {
      environment(name == "begin");
    } else if (name == "\\") {
      out_ += matrix_depth_ > 0 ? "),(" : " ";
    } else {
      named_command(name);
    }
    --depth_;
  }

  void named_command(std::string_view name) {
    const LatexMeaning meaning = latex_command(name);
    switch (meaning.kind) {
      case LatexCommand::symbol:
        out_ += meaning.text;
        if ((name == "left" || name == "right") && peek() == '.') ++position_;
        break;
      case LatexCommand::words:
        words();
        break;
      case LatexCommand::transparent:
        group(" ", " ");
        break;
      case LatexCommand::fraction:
        two_arguments("frac(");
        break;
      case LatexCommand::binomial:
        two_arguments(" binom(");
        break;
      case LatexCommand::period:
        period();
        break;
      case LatexCommand::ignored_argument:
        drop_argument();
        break;
      case LatexCommand::unknown:
        out_ += ' ';
        out_ += name;
        out_ += ' ';
        break;
    }
  }

  void two_arguments(std::string_view open) {
    group(open, ";");
    argument();
    out_.push_back(')');
  }

  // Prose is marked, so that the reader does not take it for a product of names.
  void words() {
    const size_t begin = out_.size();
    argument();
    const bool prose = is_prose(std::string_view(out_).substr(begin));
    out_.insert(begin, 1, prose ? kPhraseBegin : ' ');
    out_.push_back(prose ? kPhraseEnd : ' ');
  }

  // "0.1\overline{36}" repeats digits; a line above anything else is only a mark.
  void period() {
    const size_t begin = out_.size();
    argument();
    const std::string content = out_.substr(begin);
    const bool digits = !content.empty() && std::all_of(content.begin(), content.end(), is_digit);
    if (!digits) return;
    out_.insert(begin, "overline(");
    out_.push_back(')');
  }

  void drop_argument() {
    const size_t begin = out_.size();
    argument();
    out_.resize(begin);
  }

  void square_root() {
    skip_spaces();
    const size_t close =
        peek() == '[' ? text_.substr(position_, kLongestIndex).find(']') : std::string_view::npos;
    if (close == std::string_view::npos) {
      group("sqrt(", ")");
      return;
    }
    out_ += " root(";
    out_ += text_.substr(position_ + 1, close - 1);
    position_ += close + 1;
    group(";", ")");
  }

  void environment(bool begins) {
    skip_spaces();
    const size_t close =
        peek() == '{' ? text_.substr(position_, kLongestName).find('}') : std::string_view::npos;
    if (close == std::string_view::npos ||
        !is_matrix_environment(text_.substr(position_ + 1, close - 1))) {
      failed_ = true;
      return;
    }
    const bool has_columns = text_.substr(position_ + 1, close - 1) == "array";
    position_ += close + 1;
    matrix_depth_ += begins ? 1 : -1;
    if (matrix_depth_ < 0) failed_ = true;
    out_ += begins ? " matrix((" : "))";
    if (begins && has_columns) skip_columns();
  }

  void skip_columns() {
    const size_t close =
        peek() == '{' ? text_.substr(position_, kLongestName).find('}') : std::string_view::npos;
    if (close != std::string_view::npos) position_ += close + 1;
  }

  static constexpr size_t kLongestIndex = 16;  // of "\sqrt[..]"
  static constexpr size_t kLongestName = 32;   // of an environment or its columns

  std::string_view text_;
  size_t position_ = 0;
  std::string out_;
  int depth_ = 0;
  int matrix_depth_ = 0;
  bool failed_ = false;
};

}  // namespace

std::optional<std::string> plain_notation(std::string_view text) {
  return LatexReader(text).read();
}

}  // namespace pith
