#include "reason/expression_reader.h"

#include <algorithm>
#include <array>
#include <utility>

#include "reason/latex.h"
#include "reason/words.h"

namespace pith {
namespace {

using Op = Expression::Op;

}  // namespace

std::optional<Expression> ExpressionReader::read() {
  Expression result = answer();
  in_.skip_spaces();
  if (failed_ || !in_.at_end()) return std::nullopt;
  return result;
}

// ---- Collections

Expression ExpressionReader::answer() {
  Expression first = list(/*end=*/'\0');
  std::vector<Expression> parts;
  while (!failed_ && accept_union()) parts.push_back(list('\0'));
  if (parts.empty()) return first;
  parts.insert(parts.begin(), std::move(first));
  return make_node(Op::unite, std::move(parts));
}

bool ExpressionReader::accept_union() {
  if (in_.accept_name("union")) return true;
  if (!typed_union()) return false;
  in_.advance();
  return true;
}

// The "U" that people type between two intervals.
bool ExpressionReader::typed_union() const {
  if (in_.peek() != 'U' || in_.position() == 0) return false;
  const std::string_view text = in_.text();
  const size_t before = text.find_last_not_of(' ', in_.position() - 1);
  const size_t after = text.find_first_not_of(' ', in_.position() + 1);
  if (before == std::string_view::npos || after == std::string_view::npos) return false;
  return std::string_view(")]}").find(text[before]) != std::string_view::npos &&
         std::string_view("([{").find(text[after]) != std::string_view::npos;
}

// One element is itself. "and" between inequalities says something else than "or".
Expression ExpressionReader::list(char end) {
  std::vector<Expression> items;
  bool conjunction = false;
  std::string between;
  do {
    in_.skip_spaces();
    while (in_.accept_name("and") || in_.accept_name("or")) in_.skip_spaces();
    items.push_back(item());
    between = failed_ ? "" : separator();
    conjunction = conjunction || between == "and";
  } while (!between.empty());
  if (failed_) return {};
  if (items.size() == 1) return std::move(items.front());
  const bool either = end == '\0' && !conjunction;
  return make_node(either ? Op::alternative : Op::list, std::move(items));
}

// The separator at the position, consumed; empty without one.
std::string ExpressionReader::separator() {
  if (in_.accept(',')) return ",";
  const std::string name = in_.name_ahead();
  if (name != "and" && name != "or") return {};
  in_.advance(name.size());
  return name;
}

Expression ExpressionReader::item() {
  skip_currency();
  skip_membership();
  Expression term = relation();
  if (failed_) return {};
  const bool numeric = is_numeric(term);
  if (numeric) term = scaled(std::move(term));
  return with_unit(std::move(term), numeric);
}

void ExpressionReader::skip_currency() {
  in_.skip_spaces();
  const size_t begin = in_.position();
  const std::string phrase = lower_case(trimmed(in_.phrase_ahead(), " .", " ."));
  const std::string name = phrase.empty() ? in_.name_ahead() : phrase;
  if (!is_currency(name)) return;
  if (phrase.empty()) {
    in_.advance(name.size());
  } else {
    in_.skip_phrase();
  }
  while (is_space(in_.peek()) || in_.peek() == '.') in_.advance();
  if (!is_digit(in_.peek())) in_.move_to(begin);
}

// "x in" before a set says nothing about it.
void ExpressionReader::skip_membership() {
  in_.skip_spaces();
  if (!is_letter(in_.peek()) || is_letter(in_.peek(1))) return;
  const size_t begin = in_.position();
  in_.advance();
  if (!in_.accept_name("in")) in_.move_to(begin);
}

// "1.5 million".
Expression ExpressionReader::scaled(Expression term) {
  constexpr std::array<std::pair<std::string_view, Int128>, 4> kScales = {
      {{"thousand", 1'000},
       {"million", 1'000'000},
       {"billion", 1'000'000'000},
       {"trillion", 1'000'000'000'000}}};
  for (const auto& [name, scale] : kScales) {
    if (!in_.accept_name(name)) continue;
    return make_node(Op::product, std::move(term), make_number({scale, 1}));
  }
  return term;
}

// Drops the words behind a number; a second number among them means that this is no
// number with a unit ("3 hours 20 minutes").
Expression ExpressionReader::with_unit(Expression term, bool numeric) {
  in_.skip_spaces();
  const std::string phrase = lower_case(trimmed(in_.phrase_ahead()));
  const std::string name = phrase.empty() ? in_.name_ahead() : phrase;
  const bool percent = in_.peek() == '%' || name == "percent" || name == "pct";
  // Words behind a name or other words say more than a unit does.
  const bool counts = term.op != Op::symbol && term.op != Op::phrase && !is_condition(phrase);
  const bool unit =
      (counts && !phrase.empty()) || (numeric && (is_foreign(in_.peek()) || unit_ahead()));
  if (!percent && !unit) return term;
  if (in_.peek() == '%') in_.advance();
  skip_unit_words();
  if (percent) return make_node(Op::percent, std::move(term));
  if (name == "cent" || name == "cents") return make_node(Op::cents, std::move(term));
  return term;
}

// "5 s", but not "5 s(t - 1)".
bool ExpressionReader::unit_ahead() const {
  const std::string name = in_.name_ahead();
  return is_unit(name, in_.after_space()) && (name.size() > 1 || in_.peek(1) != '(');
}

void ExpressionReader::skip_unit_words() {
  while (true) {
    in_.skip_spaces();
    const char c = in_.peek();
    if (!in_.phrase_ahead().empty()) {
      in_.skip_phrase();
    } else if (is_letter(c)) {
      const std::string name = in_.name_ahead();
      if (name == "and" || name == "or" || name == "union") return;
      in_.advance(name.size());
    } else if (c == '^' && is_digit(in_.peek(1))) {
      in_.advance(2);
    } else if (c == '^' && in_.peek(1) == '(' && is_digit(in_.peek(2)) && in_.peek(3) == ')') {
      in_.advance(4);
    } else if (c == '/' || c == '.' || c == '-' || c == '\'' || is_foreign(c)) {
      in_.advance();
    } else {
      return;
    }
  }
}

// ---- Relations

Expression ExpressionReader::relation() {
  std::optional<Expression> head = function_head();
  std::vector<Expression> sides;
  sides.push_back(head ? *std::move(head) : sum());
  std::vector<std::string> operators;
  while (!failed_) {
    std::string op = relation_operator();
    if (op.empty()) break;
    operators.push_back(std::move(op));
    sides.push_back(sum());
  }
  if (operators.empty()) return std::move(sides.front());
  Expression result = make_node(Op::relation, std::move(sides));
  result.operators = std::move(operators);
  return result;
}

// Nothing is consumed unless an equals sign follows.
std::optional<Expression> ExpressionReader::function_head() {
  in_.skip_spaces();
  const size_t begin = in_.position();
  std::string name;
  if (is_letter(in_.peek())) {
    name += in_.peek();
    in_.advance();
    for (; in_.peek() == '\''; in_.advance()) name += '\'';
    if (in_.starts_with("^(-1)")) {
      name += "^-1";
      in_.advance(5);
    }
    const bool head = in_.accept('(') && is_letter(in_.peek()) && in_.peek(1) == ')';
    name += in_.peek();
    in_.advance(2);
    in_.skip_spaces();
    if (head && in_.peek() == '=') return make_named(Op::symbol, name);
  }
  in_.move_to(begin);
  return std::nullopt;
}

std::string ExpressionReader::relation_operator() {
  in_.skip_spaces();
  std::string op;
  while (op.size() < 2 && !in_.at_end() &&
         std::string_view("=<>!").find(in_.peek()) != std::string_view::npos) {
    op.push_back(in_.peek());
    in_.advance();
  }
  if (op == "==") op = "=";
  constexpr std::string_view kOperators[] = {"", "=", "<", "<=", ">", ">=", "!="};
  if (std::find(std::begin(kOperators), std::end(kOperators), op) == std::end(kOperators)) fail();
  return op;
}

// ---- Brackets

Expression ExpressionReader::bracket() {
  const char open = in_.peek();
  in_.advance();
  if (open == '{' && in_.accept('}')) return make_node(Op::set, std::vector<Expression>());
  const int bars = std::exchange(bars_, 0);
  ++brackets_;
  Expression inner = list(open == '{' ? '}' : ')');
  --brackets_;
  bars_ = bars;
  in_.skip_spaces();
  const char close = in_.peek();
  if (failed_ || (close != ')' && close != ']' && close != '}')) return fail();
  in_.advance();
  if ((open == '{') != (close == '}')) return fail();
  const bool paired = open != '[' ? close != ']' : close == ']';
  if (inner.op != Op::list) return paired ? inner : fail();
  inner.op = open == '{' ? Op::set : Op::tuple;
  if (inner.op == Op::tuple) inner.name = {open, close};
  return inner;
}

Expression ExpressionReader::matrix() {
  std::vector<Expression> rows;
  if (!in_.accept('(')) return fail();
  ++brackets_;
  do {
    if (!in_.accept('(')) return fail();
    if (in_.accept(')')) continue;  // after a last line break
    Expression row = list(')');
    if (failed_ || !in_.accept(')')) return fail();
    if (row.op != Op::list) row = make_node(Op::list, std::move(row));
    row.op = Op::tuple;
    row.name = "()";
    rows.push_back(std::move(row));
  } while (in_.accept(','));
  --brackets_;
  if (!in_.accept(')') || rows.empty()) return fail();
  return make_node(Op::matrix, std::move(rows));
}

std::optional<Expression> parse_expression(std::string_view plain) {
  return ExpressionReader(plain).read();
}

}  // namespace pith
