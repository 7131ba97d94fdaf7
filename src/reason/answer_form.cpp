#include "reason/answer_form.h"

#include <utility>

#include "reason/canonical.h"
#include "reason/latex.h"
#include "reason/scanner.h"
#include "reason/words.h"

namespace pith {
namespace {

using Op = Expression::Op;
using Kind = AnswerForm::Kind;

// Longer than any answer; what is longer is compared as text, in linear time.
constexpr size_t kLongestMathematics = 1024;
// More elements than any answer lists; what has more is compared by its text.
constexpr size_t kMostElements = 32;

size_t count_elements(const Expression& e) {
  const bool collection =
      e.op == Op::tuple || e.op == Op::set || e.op == Op::unite || e.op == Op::matrix;
  if (!collection) return 1;
  size_t count = 1;
  for (const Expression& part : e.parts) count += count_elements(part);
  return count;
}

// What is read as no mathematics must not be folded into a number: "0`5" is not 05.
std::string text_of(std::string_view unread) {
  std::string text = folded(unread);
  const bool number = text.find_first_not_of("-/0123456789") == std::string::npos;
  return number ? std::string(unread) : text;
}

AnswerForm text_form(std::string text) {
  AnswerForm form;
  form.text = std::move(text);
  return form;
}

Kind kind_of(Op op) {
  switch (op) {
    case Op::relation:
      return Kind::relation;
    case Op::tuple:
      return Kind::tuple;
    case Op::set:
      return Kind::set;
    case Op::unite:
      return Kind::unite;
    case Op::matrix:
      return Kind::matrix;
    case Op::phrase:
      return Kind::text;
    default:
      return Kind::value;
  }
}

Fingerprint difference_of(const Expression& relation) {
  return fingerprint(
      make_node(Op::sum, relation.parts[0], make_node(Op::negate, relation.parts[1])));
}

AnswerForm form_of(const Expression& e);

// "2516_8" is a symbol that starts with a digit.
std::optional<Rational> digits_in_base(const Expression& e) {
  if (e.op == Op::negate) {
    const auto digits = digits_in_base(e.parts.front());
    return digits ? std::optional(negate(*digits)) : std::nullopt;
  }
  if (e.op != Op::symbol || e.name.empty() || !is_digit(e.name[0])) return std::nullopt;
  return parse_decimal(std::string_view(e.name).substr(0, e.name.find('_')));
}

void add_value(AnswerForm& form, const Expression& e) {
  if (e.op == Op::percent) {
    form.unit = AnswerForm::Unit::percent;
    if (form.number) form.other_number = multiply(*form.number, {100, 1});
  } else if (e.op == Op::cents) {
    form.unit = AnswerForm::Unit::cents;
    if (form.number) form.other_number = divide(*form.number, {100, 1});
  } else if ((form.other_number = digits_in_base(e))) {
    form.unit = AnswerForm::Unit::base;
  } else if (e.op == Op::number) {
    form.decimals = e.decimals;
  }
  const bool wrapped = e.op == Op::percent || e.op == Op::cents;
  form.value = form.number ? fingerprint(*form.number) : fingerprint(wrapped ? e.parts.front() : e);
}

AnswerForm form_of(const Expression& e) {
  Term term = written_out(e);
  AnswerForm form = text_form(std::move(term.text));
  form.kind = kind_of(e.op);
  form.number = term.number;
  form.name = e.op == Op::tuple ? e.name : std::string();
  if (form.kind == Kind::value) {
    add_value(form, e);
  } else if (form.kind == Kind::relation) {
    if (e.parts.size() != 2) return form;
    form.name = e.operators.front();
    form.difference = difference_of(e);
  } else if (form.kind != Kind::text) {
    for (const Expression& part : e.parts) form.parts.push_back(form_of(part));
  }
  return form;
}

bool is_equation(const Expression& e) {
  return e.op == Op::relation && e.parts.size() == 2 && e.operators.front() == "=";
}

}  // namespace

std::string folded(std::string_view text) {
  constexpr std::string_view kMarkup = "$*\\{}`\"\x0e\x0f";
  std::string result;
  for (const char c : trimmed(text, "", ".,;:!?*$`\"")) {
    if (!is_space(c) && kMarkup.find(c) == std::string_view::npos) result.push_back(c);
  }
  return result.empty() ? std::string(trimmed(text)) : lower_case(result);
}

AnswerForm read_answer(std::string_view answer) {
  answer = trimmed(answer);
  if (answer.size() > kLongestMathematics) return text_form(text_of(answer));
  const std::optional<std::string> plain = plain_notation(answer);
  if (!plain) return text_form(text_of(answer));
  // A full stop ends a sentence, three are digits that go on.
  const bool goes_on = plain->ends_with("...");
  auto expression = parse_expression(trimmed(*plain, ":*`\"=", goes_on ? "" : ".,;:*`\""));
  if (!expression) return text_form(text_of(*plain));
  const Expression value = normalised(*expression);
  if (count_elements(value) > kMostElements) return text_form(written_out(value).text);
  AnswerForm form = form_of(value);
  if (form.kind == Kind::value && is_equation(*expression)) {
    form.difference = difference_of(*expression);
  }
  return form;
}

}  // namespace pith
