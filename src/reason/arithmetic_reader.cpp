#include <algorithm>
#include <utility>

#include "reason/expression_reader.h"
#include "reason/number_reader.h"
#include "reason/words.h"

namespace pith {
namespace {

using Op = Expression::Op;

// Deeper than any answer that a person would write; keeps the recursion short.
// A pair of brackets costs two.
constexpr int kMaxDepth = 64;

// "xy" is x times y; longer runs, capitals and the names of words.h are names.
bool is_letters_product(std::string_view name) {
  constexpr size_t kMost = 3;
  return name.size() > 1 && name.size() <= kMost && !is_mathematical(lower_case(name)) &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

Expression times(Expression left, Expression right) {
  if (left.op != Op::product) left = make_node(Op::product, std::move(left));
  left.parts.push_back(std::move(right));
  return left;
}

}  // namespace

bool is_numeric(const Expression& expression) {
  const std::string& name = expression.name;
  if (expression.op == Op::symbol) return name == "pi" || (!name.empty() && is_digit(name[0]));
  if (expression.op == Op::phrase) return false;
  return std::all_of(expression.parts.begin(), expression.parts.end(), is_numeric);
}

Expression ExpressionReader::sum() {
  std::vector<Expression> parts;
  parts.push_back(product());
  while (!failed_) {
    in_.skip_spaces();
    const std::string name = in_.name_ahead();
    const char c = in_.peek();
    if (name == "pm" || name == "mp") {
      in_.advance(name.size());
      parts.push_back(make_node(Op::plus_minus, product(), name));
    } else if (c == '+' || c == '-') {
      in_.advance();
      Expression next = product();
      parts.push_back(c == '+' ? std::move(next) : make_node(Op::negate, std::move(next)));
    } else {
      break;
    }
  }
  return parts.size() == 1 ? std::move(parts.front()) : make_node(Op::sum, std::move(parts));
}

Expression ExpressionReader::product() {
  Expression left = signed_power();
  bool numeric = is_numeric(left);
  while (!failed_) {
    in_.skip_spaces();
    const char c = in_.peek();
    Expression right;
    if (c == '*' || c == '/') {
      in_.advance();
      right = signed_power();
    } else if (scientific_times() || starts_factor(numeric)) {
      right = power_term();
    } else {
      break;
    }
    numeric = numeric && is_numeric(right);
    left = times(std::move(left),
                 c == '/' ? make_node(Op::inverse, std::move(right)) : std::move(right));
  }
  return left;
}

// The "x" of "6.7 x 10^5".
bool ExpressionReader::scientific_times() {
  if (in_.peek() != 'x' && in_.peek() != 'X') return false;
  const size_t begin = in_.position();
  in_.advance();
  in_.skip_spaces();
  if (in_.starts_with("10^")) return true;
  in_.move_to(begin);
  return false;
}

// Whether what follows multiplies without a sign: "2x", "3sqrt(5)", "2(x+1)".
bool ExpressionReader::starts_factor(bool numeric) const {
  const char c = in_.peek();
  if (c == '(' || c == '[' || c == '{') return true;
  if (c == '|') return bars_ == 0;
  if (!is_letter(c) || typed_union()) return false;
  const std::string name = in_.name_ahead();
  for (const std::string_view word : {"and", "in", "mp", "or", "pct", "percent", "pm", "union"}) {
    if (name == word) return false;
  }
  return !numeric || !unit_ahead();
}

Expression ExpressionReader::signed_power() {
  bool negative = false;
  std::string both;
  for (in_.skip_spaces();; in_.skip_spaces()) {
    const std::string name = in_.name_ahead();
    if (in_.peek() == '-' || in_.peek() == '+') {
      negative ^= in_.peek() == '-';
      in_.advance();
    } else if (both.empty() && (name == "pm" || name == "mp")) {
      both = name;
      in_.advance(name.size());
    } else {
      break;
    }
  }
  Expression term = power_term();
  if (!both.empty()) term = make_node(Op::plus_minus, std::move(term), both);
  if (!negative) return term;
  if (term.op == Op::number && term.value) {
    term.value = negate(*term.value);
    return term;
  }
  return make_node(Op::negate, std::move(term));
}

Expression ExpressionReader::power_term() {
  if (++depth_ > kMaxDepth) return fail();
  Expression base = atom();
  while (!failed_ && (in_.peek() == '_' || in_.peek() == '\'')) base = subscripted(std::move(base));
  if (!failed_ && in_.peek() == '!' && in_.peek(1) != '=') {
    in_.advance();
    base = make_node(Op::factorial, std::move(base));
  }
  if (!failed_ && in_.accept('^')) base = make_node(Op::power, std::move(base), signed_power());
  // Degrees are the unit of angles, except inside a function, where they are a factor.
  while (!failed_ && in_.accept_name("deg")) {
    if (arguments_ > 0) base = times(std::move(base), make_named(Op::symbol, "deg"));
  }
  --depth_;
  return base;
}

// "x_1", "2516_8", "x'" are names.
Expression ExpressionReader::subscripted(Expression base) {
  std::string name = base.name;
  if (base.op == Op::number && base.value && name.empty()) name = to_string(*base.value);
  if ((base.op != Op::number && base.op != Op::symbol) || name.empty()) return fail();
  name += in_.peek();
  in_.advance();
  if (name.back() == '_') {
    in_.skip_spaces();
    const size_t begin = in_.position();
    atom();
    for (const char c : in_.text().substr(begin, in_.position() - begin)) {
      if (!is_space(c) && c != '(' && c != ')') name += c;
    }
  }
  return make_named(Op::symbol, name);
}

Expression ExpressionReader::atom() {
  if (++depth_ > kMaxDepth) return fail();
  in_.skip_spaces();
  const char c = in_.peek();
  Expression result = is_digit(c) || (c == '.' && is_digit(in_.peek(1)))
                          ? read_number(in_, brackets_ > 0)
                      : c == '(' || c == '[' || c == '{' ? bracket()
                      : c == '|'                         ? absolute_value()
                      : is_letter(c)                     ? named()
                      : is_foreign(c)                    ? foreign_word()
                      : in_.starts_with("...")           ? named()
                                                         : phrase();
  --depth_;
  return result;
}

Expression ExpressionReader::absolute_value() {
  in_.advance();
  ++bars_;
  Expression inner = sum();
  --bars_;
  if (failed_ || !in_.accept('|')) return fail();
  return make_node(Op::call, std::move(inner), "abs");
}

// Letters beyond ASCII: a name as it stands.
Expression ExpressionReader::foreign_word() {
  std::string name;
  for (; is_foreign(in_.peek()); in_.advance()) name += in_.peek();
  return make_named(Op::symbol, name);
}

// Words stand alone, or as the name of what follows an equals sign.
Expression ExpressionReader::phrase() {
  std::string name;
  for (const char c : lower_case(trimmed(in_.phrase_ahead(), "", ".,;:!?"))) {
    if (!is_space(c)) name += c;
  }
  if (name.empty()) return fail();
  in_.skip_phrase();
  in_.skip_spaces();
  if (is_digit(in_.peek()) || in_.peek() == '(') return fail();
  return make_named(Op::phrase, name);
}

Expression ExpressionReader::named() {
  if (in_.starts_with("...")) {
    in_.advance(3);
    return make_named(Op::symbol, "...");
  }
  const std::string_view written = in_.name_as_written();
  if (written.size() == Scanner::kLongestName) return fail();
  const std::string name = lower_case(written);
  in_.advance(is_letters_product(written) ? 1 : written.size());
  if (name == "frac") return two_arguments(Op::product);
  if (name == "root") return two_arguments(Op::root);
  if (name == "binom") return two_arguments(Op::binomial);
  if (name == "sqrt") return radical();
  if (name == "matrix" && in_.peek() == '(') return matrix();
  if (is_function(name)) return function(name);
  if (is_letters_product(written)) return make_named(Op::symbol, std::string(written.substr(0, 1)));
  return make_named(Op::symbol, is_mathematical(name) ? name : std::string(written));
}

Expression ExpressionReader::two_arguments(Op op) {
  if (!in_.accept('(')) return fail();
  ++brackets_;
  Expression first = sum();
  if (failed_ || !in_.accept(';')) return fail();
  Expression second = sum();
  if (failed_ || !in_.accept(')')) return fail();
  --brackets_;
  if (op == Op::product) second = make_node(Op::inverse, std::move(second));
  return make_node(op, std::move(first), std::move(second));
}

Expression ExpressionReader::radical() {
  in_.skip_spaces();
  Expression radicand = is_digit(in_.peek()) ? read_number(in_, brackets_ > 0)
                        : in_.peek() == '('  ? bracket()
                                             : atom();
  return make_node(Op::root, make_number({2, 1}), std::move(radicand));
}

// "sin x", "sin^2 x", "sin^(-1) x", "log_2 8", "max(1,2)".
Expression ExpressionReader::function(const std::string& name) {
  if (++depth_ > kMaxDepth) return fail();
  std::vector<Expression> parts;
  std::optional<Expression> exponent;
  if (name == "log" && in_.accept('_')) parts.push_back(atom());
  if (!failed_ && in_.accept('^')) exponent = signed_power();
  if (failed_) return fail();
  Expression argument = function_argument();
  if (failed_) return fail();
  if (argument.op == Op::tuple && argument.name == "()") {
    std::move(argument.parts.begin(), argument.parts.end(), std::back_inserter(parts));
  } else {
    parts.push_back(std::move(argument));
  }
  --depth_;
  const bool inverse = exponent && exponent->value == Rational{-1, 1};
  Expression call = make_node(Op::call, std::move(parts),
                              inverse && is_trigonometric(name) ? "arc" + name : name);
  if (!exponent || (inverse && is_trigonometric(name))) return call;
  return make_node(Op::power, std::move(call), *std::move(exponent));
}

// A bracket, or the factors up to the next function.
Expression ExpressionReader::function_argument() {
  in_.skip_spaces();
  if (in_.peek() == '(') return atom();
  ++arguments_;
  Expression argument = signed_power();
  for (in_.skip_spaces(); !failed_ && starts_factor(is_numeric(argument)); in_.skip_spaces()) {
    if (is_function(in_.name_ahead())) break;
    argument = times(std::move(argument), power_term());
  }
  --arguments_;
  return argument;
}

}  // namespace pith
