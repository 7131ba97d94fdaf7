#include "reason/expression.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "reason/term.h"
#include "reason/words.h"

namespace pith {
namespace {

// Deeper than any answer that a person would write; keeps the recursion short.
// A pair of brackets costs two.
constexpr int kMaxDepth = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// A recursive-descent reader. `position_` only grows, except for one-token
// look-ahead; every failure is final.
class ExpressionReader {
 public:
  explicit ExpressionReader(std::string_view text) : text_(text) {}

  std::optional<AnswerValue> read() {
    Term term = answer();
    skip_spaces();
    if (failed_ || !at_end()) return std::nullopt;
    return AnswerValue{std::move(term.text), term.number, unit_};
  }

 private:
  // ---- Characters and tokens

  bool at_end() const { return position_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[position_]; }
  char peek_at(size_t offset) const {
    return position_ + offset < text_.size() ? text_[position_ + offset] : '\0';
  }
  void skip_spaces() {
    while (!at_end() && is_space(peek())) ++position_;
  }
  bool after_space() const { return position_ > 0 && is_space(text_[position_ - 1]); }
  bool accept(char c) {
    skip_spaces();
    if (peek() != c) return false;
    ++position_;
    return true;
  }
  Term fail() {
    failed_ = true;
    return {};
  }

  // The name at the position, in lower case; empty when there is none.
  std::string name_ahead() const {
    const size_t limit = std::min(text_.size(), position_ + kLongestName);
    size_t end = position_;
    while (end < limit && is_letter(text_[end])) ++end;
    return lower_case(text_.substr(position_, end - position_));
  }
  bool accept_name(std::string_view name) {
    skip_spaces();
    if (!is_letter(peek()) || name_ahead() != name) return false;
    position_ += name.size();
    return true;
  }

  // ---- Collections

  // answer := list { union list }
  Term answer() {
    Term first = list(/*end=*/'\0');
    std::vector<std::string> parts = {first.text};
    while (!failed_ && accept_union()) parts.push_back(list('\0').text);
    if (parts.size() == 1) return first;
    return {join_sorted(std::move(parts), " union ", "", ""), std::nullopt, Binding::atom};
  }

  bool accept_union() {
    if (accept_name("union")) return true;
    if (!typed_union()) return false;
    ++position_;
    return true;
  }

  // The "U" that people type between two intervals.
  bool typed_union() const {
    if (peek() != 'U' || position_ == 0) return false;
    const size_t before = text_.find_last_not_of(' ', position_ - 1);
    const size_t after = text_.find_first_not_of(' ', position_ + 1);
    if (before == std::string_view::npos || after == std::string_view::npos) return false;
    return std::string_view(")]}").find(text_[before]) != std::string_view::npos &&
           std::string_view("([{").find(text_[after]) != std::string_view::npos;
  }

  // Elements up to `end` or the text's end; one element is itself.
  Term list(char end) {
    std::vector<Term> items;
    do {
      skip_spaces();
      while (accept_name("and") || accept_name("or")) skip_spaces();
      items.push_back(item());
    } while (!failed_ && separator());
    if (failed_) return {};
    if (items.size() == 1) return std::move(items.front());
    unit_ = AnswerUnit::none;
    if (end == '\0' || end == '}') {
      return {join_sorted(texts(items), ",", "{", "}"), std::nullopt, Binding::atom};
    }
    return {join(texts(items), ","), std::nullopt, Binding::relation};
  }

  bool separator() {
    if (accept(',')) return true;
    const std::string name = name_ahead();
    return (name == "and" || name == "or") && accept_name(name);
  }

  static std::vector<std::string> texts(std::vector<Term>& items) {
    std::vector<std::string> result;
    for (Term& item : items) result.push_back(std::move(item.text));
    return result;
  }
  static std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string result;
    for (const std::string& part : parts) {
      if (&part != &parts.front()) result += separator;
      result += part;
    }
    return result;
  }
  static std::string join_sorted(std::vector<std::string> parts, std::string_view separator,
                                 std::string_view open, std::string_view close) {
    std::sort(parts.begin(), parts.end());
    return std::string(open) + join(parts, separator) + std::string(close);
  }

  // item := [currency] [name "="] relation ["million"] [unit]
  Term item() {
    skip_currency();
    skip_variable();
    Term term = relation();
    if (failed_) return {};
    scale_by_word(term);
    if (accept('%')) return percent(std::move(term));
    if (term.number && !at_end()) unit_phrase(term);
    return term;
  }

  void skip_currency() {
    skip_spaces();
    const std::string name = name_ahead();
    if (!is_currency(name)) return;
    size_t after = position_ + name.size();
    while (after < text_.size() && (is_space(text_[after]) || text_[after] == '.')) ++after;
    if (after < text_.size() && is_digit(text_[after])) position_ = after;
  }

  // "x =", "f(x) =" and "x in" before a value say nothing about it.
  void skip_variable() {
    skip_spaces();
    if (!is_letter(peek()) || is_letter(peek_at(1))) return;
    size_t after = peek_at(1) == '(' && peek_at(3) == ')' ? 4 : 1;
    while (is_space(peek_at(after))) ++after;
    if (peek_at(after) == '=' && peek_at(after + 1) != '=') {
      position_ += after + 1;
    } else if (peek_at(after) == 'i' && peek_at(after + 1) == 'n' && peek_at(after + 2) == ' ') {
      position_ += after + 2;
    }
  }

  // "1.5 million".
  void scale_by_word(Term& term) {
    constexpr std::array<std::pair<std::string_view, Int128>, 4> kScales = {
        {{"thousand", 1'000},
         {"million", 1'000'000},
         {"billion", 1'000'000'000},
         {"trillion", 1'000'000'000'000}}};
    for (const auto& [name, scale] : kScales) {
      if (!term.number || !accept_name(name)) continue;
      const auto value = multiply(*term.number, {scale, 1});
      term = value ? number_term(*value) : fail();
    }
  }

  Term percent(Term term) {
    if (!term.number) {
      term.text += '%';
      return term;
    }
    const auto value = divide(*term.number, {100, 1});
    if (!value) return fail();
    unit_ = AnswerUnit::percent;
    unit_phrase_rest();
    return number_term(*value);
  }

  // Drops the words behind a number; a second number among them means that this
  // is no number with a unit ("3 hours 20 minutes").
  void unit_phrase(Term& term) {
    skip_spaces();
    const bool foreign = static_cast<unsigned char>(peek()) >= 0x80;
    const std::string name = name_ahead();
    if (name == "percent" || name == "pct") {
      position_ += name.size();
      term = percent(std::move(term));
    } else if (foreign || is_unit(name, after_space())) {
      if (name == "cent" || name == "cents") unit_ = AnswerUnit::cents;
      unit_phrase_rest();
    }
  }

  void unit_phrase_rest() {
    while (true) {
      skip_spaces();
      if (is_letter(peek())) {
        const std::string name = name_ahead();
        if (name == "and" || name == "or" || name == "union") return;
        while (is_letter(peek())) ++position_;
      } else if (peek() == '^' && is_digit(peek_at(1))) {
        position_ += 2;
      } else if (peek() == '^' && peek_at(1) == '(' && is_digit(peek_at(2)) && peek_at(3) == ')') {
        position_ += 4;
      } else if (peek() == '/' || peek() == '.' || peek() == '-' || peek() == '\'' ||
                 static_cast<unsigned char>(peek()) >= 0x80) {
        ++position_;
      } else {
        return;
      }
    }
  }

  // ---- Arithmetic

  // relation := sum { ("=" | "<" | ...) sum }
  Term relation() {
    Term left = sum();
    while (!failed_) {
      const std::string op = relation_operator();
      if (op.empty()) break;
      Term right = sum();
      const bool named = is_quantity(left.text) || left.number == right.number;
      if (op == "=" && named && right.number) {
        left = std::move(right);
      } else {
        left = {left.text + op + right.text, std::nullopt, Binding::relation};
      }
    }
    return left;
  }

  // "cost", "x_1": what a value may be the value of.
  static bool is_quantity(std::string_view text) {
    return !text.empty() && is_letter(text.front()) &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
  }

  std::string relation_operator() {
    skip_spaces();
    std::string op;
    while (op.size() < 2 && (peek() == '=' || peek() == '<' || peek() == '>' || peek() == '!')) {
      op.push_back(text_[position_++]);
    }
    if (op == "!") failed_ = true;
    return op == "==" ? "=" : op;
  }

  // sum := product { ("+" | "-" | "pm") product }
  Term sum() {
    Term left = product();
    while (!failed_) {
      skip_spaces();
      const bool plus_minus = accept_name("pm");
      if (!plus_minus && peek() != '+' && peek() != '-') break;
      const char op = plus_minus ? '~' : text_[position_++];
      left = add_terms(left, product(), op);
    }
    return left;
  }

  // product := signed { ("*" | "/" | nothing) power }
  Term product() {
    Term left = signed_power();
    while (!failed_) {
      skip_spaces();
      const char c = peek();
      if (c == '*' || c == '/') {
        ++position_;
        if (c == '*' && peek() == '*') return fail();
        left = multiply_terms(left, signed_power(), c);
      } else if (scientific_times()) {
        left = multiply_terms(left, power_term(), '*');
      } else if (starts_factor(left)) {
        left = multiply_terms(left, power_term(), '*');
      } else {
        break;
      }
    }
    return left;
  }

  // The "x" of "6.7 x 10^5".
  bool scientific_times() {
    if (peek() != 'x' && peek() != 'X') return false;
    const size_t after = std::min(text_.find_first_not_of(' ', position_ + 1), text_.size());
    if (text_.substr(after, 3) != "10^") return false;
    position_ = after;
    return true;
  }

  // Whether what follows multiplies `left` without a sign: "2x", "3sqrt(5)", "2(x+1)".
  bool starts_factor(const Term& left) const {
    if (peek() == '(' || peek() == '[' || peek() == '{') return true;
    if (!is_letter(peek()) || typed_union()) return false;
    const std::string name = name_ahead();
    for (const std::string_view word : {"and", "in", "or", "pct", "percent", "pm", "union"}) {
      if (name == word) return false;
    }
    return !(left.number && is_unit(name, after_space()));
  }

  // signed := { "-" | "+" } power
  Term signed_power() {
    bool negative = false;
    for (skip_spaces(); peek() == '-' || peek() == '+'; skip_spaces()) {
      negative ^= text_[position_++] == '-';
    }
    Term term = power_term();
    if (!negative) return term;
    return negated(term);
  }

  // power := atom { "'" | "_" atom } ["!"] ["^" signed]
  Term power_term() {
    if (++depth_ > kMaxDepth) return fail();
    Term base = atom();
    while (!failed_ && (peek() == '_' || peek() == '\'')) base = subscript(base);
    if (!failed_ && peek() == '!' && peek_at(1) != '=') {
      ++position_;
      base = factorial(base);
    }
    if (!failed_ && accept('^')) base = raised(base, signed_power());
    --depth_;
    return base;
  }

  Term subscript(const Term& base) {
    if (text_[position_++] == '\'') return {base.text + "'", std::nullopt, Binding::atom};
    const Term index = atom();
    return {base.text + "_" + index.text, std::nullopt, Binding::atom};
  }

  Term atom() {
    if (++depth_ > kMaxDepth) return fail();
    skip_spaces();
    const char c = peek();
    Term term = is_digit(c) || (c == '.' && is_digit(peek_at(1))) ? mixed_number()
                : c == '(' || c == '[' || c == '{'                ? bracket()
                : is_letter(c)                                    ? named()
                : static_cast<unsigned char>(c) >= 0x80           ? foreign_word()
                                                                  : fail();
    --depth_;
    return term;
  }

  // Letters beyond ASCII: a name as it stands.
  Term foreign_word() {
    const size_t begin = position_;
    while (!at_end() && static_cast<unsigned char>(peek()) >= 0x80) ++position_;
    return {std::string(text_.substr(begin, position_ - begin)), std::nullopt, Binding::atom};
  }

  Term bracket() {
    const char open = text_[position_++];
    ++brackets_;
    Term inner = list(open == '{' ? '}' : ')');
    --brackets_;
    skip_spaces();
    const char close = peek();
    if (failed_ || (close != ')' && close != ']' && close != '}')) return fail();
    ++position_;
    if ((open == '{') != (close == '}')) return fail();
    const bool several = inner.binding == Binding::relation;
    const bool round = open == '(' && close == ')';
    if (open == '{' || (round && !several)) return inner;
    return {std::string(1, open) + inner.text + close, std::nullopt, Binding::atom};
  }

  Term named() {
    const std::string name = name_ahead();
    if (name.size() == kLongestName) return fail();
    position_ += name.size();
    if (name == "frac" || name == "root") return two_arguments(name);
    if (name == "sqrt") return radical();
    if (name == "matrix" && peek() == '(') return matrix();
    return {name, std::nullopt, Binding::atom};
  }

  Term two_arguments(const std::string& name) {
    if (peek() != '(') return {name, std::nullopt, Binding::atom};
    ++position_;
    const Term first = sum();
    if (failed_ || !accept(';')) return fail();
    const Term second = sum();
    if (failed_ || !accept(')')) return fail();
    if (name == "frac") return multiply_terms(first, second, '/');
    if (first.number == Rational{2, 1}) return square_root(second);
    return {"root(" + first.text + "," + second.text + ")", std::nullopt, Binding::atom};
  }

  Term radical() {
    skip_spaces();
    if (is_digit(peek())) return square_root(number_literal());
    if (peek() == '(') return square_root(bracket());
    return square_root(atom());
  }

  Term matrix() {
    Term rows = bracket();
    return {"matrix[" + rows.text + "]", std::nullopt, Binding::atom};
  }

  // ---- Numbers

  // "1 4/5" and "1 frac(4;5)" are sums; any other two numbers in a row are a mistake.
  Term mixed_number() {
    const size_t begin = position_;
    Term whole = number_literal();
    if (failed_ || !whole.number || !whole.number->is_integer()) return whole;
    const std::string_view written = text_.substr(begin, position_ - begin);
    if (written.find_first_of(".eE") != std::string_view::npos) return whole;
    const std::optional<Term> part = fraction_ahead();
    return part ? add_terms(whole, *part, '+') : whole;
  }

  // A proper fraction of integers at the position, consumed if there is one.
  std::optional<Term> fraction_ahead() {
    const size_t begin = position_;
    skip_spaces();
    const bool space = position_ > begin;
    const bool command = text_.substr(position_, 5) == "frac(";
    if (command) position_ += 5;
    if (command || space) {
      const std::optional<Rational> numerator = integer_ahead();
      if (numerator && accept(command ? ';' : '/')) {
        skip_spaces();
        const std::optional<Rational> denominator = integer_ahead();
        const bool closed = !command || accept(')');
        const auto value = denominator && closed ? divide(*numerator, *denominator) : std::nullopt;
        if (value && value->numerator < value->denominator) return number_term(*value);
      }
    }
    position_ = begin;
    return std::nullopt;
  }

  std::optional<Rational> integer_ahead() {
    const size_t begin = position_;
    while (is_digit(peek())) ++position_;
    return parse_decimal(text_.substr(begin, position_ - begin));
  }

  // Digits with separators, a point and an exponent.
  Term number_literal() {
    std::string digits;
    while (is_digit(peek())) digits.push_back(text_[position_++]);
    const char separator = peek();
    const bool first_group = !digits.empty() && digits.size() <= 3;
    while (first_group && peek() == separator && thousands_ahead()) {
      digits += text_.substr(position_ + 1, 3);
      position_ += 4;
    }
    if (peek() == '.' && (is_digit(peek_at(1)) || !is_letter(peek_at(1)))) {
      digits.push_back(text_[position_++]);
      while (is_digit(peek())) digits.push_back(text_[position_++]);
    }
    const size_t sign = peek_at(1) == '-' || peek_at(1) == '+' ? 1 : 0;
    if ((peek() == 'e' || peek() == 'E') && is_digit(peek_at(1 + sign))) {
      digits.push_back(text_[position_++]);
      do digits.push_back(text_[position_++]);
      while (is_digit(peek()));
    }
    if (const auto value = parse_decimal(digits)) return number_term(*value);
    return {without_leading_zeros(digits), std::nullopt, Binding::atom};
  }

  // A comma outside brackets, or a space, and exactly three digits.
  bool thousands_ahead() const {
    if (peek() != ',' && peek() != ' ') return false;
    if (peek() == ',' && brackets_ > 0) return false;
    for (size_t i = 1; i <= 3; ++i) {
      if (!is_digit(peek_at(i))) return false;
    }
    return !is_digit(peek_at(4)) && !(peek() == ' ' && peek_at(4) == '/');
  }

  static std::string without_leading_zeros(std::string_view digits) {
    const size_t first = std::min(digits.find_first_not_of('0'), digits.size() - 1);
    return lower_case(digits.substr(first));
  }

  static constexpr size_t kLongestName = 64;

  std::string_view text_;
  size_t position_ = 0;
  int depth_ = 0;
  int brackets_ = 0;
  AnswerUnit unit_ = AnswerUnit::none;
  bool failed_ = false;
};

}  // namespace

std::optional<AnswerValue> parse_expression(std::string_view plain) {
  return ExpressionReader(plain).read();
}

}  // namespace pith
