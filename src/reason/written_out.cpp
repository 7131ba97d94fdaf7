#include <algorithm>

#include "reason/canonical.h"
#include "reason/words.h"

namespace pith {
namespace {

using Op = Expression::Op;

Term node_term(const Expression& expression);

Term atom_term(std::string text) { return {std::move(text), std::nullopt, Binding::atom}; }

std::vector<std::string> texts(const Expression& expression) {
  std::vector<std::string> result;
  for (const Expression& part : expression.parts) result.push_back(written_out(part).text);
  return result;
}

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string result;
  for (const std::string& part : parts) {
    if (&part != &parts.front()) result += separator;
    result += part;
  }
  return result;
}

std::vector<std::string> sorted(std::vector<std::string> parts) {
  std::sort(parts.begin(), parts.end());
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
  return parts;
}

Term sum_term(const Expression& sum) {
  Term left = node_term(sum.parts.front());
  for (size_t i = 1; i < sum.parts.size(); ++i) {
    const Expression& part = sum.parts[i];
    const bool unwrap = part.op == Op::negate || part.op == Op::plus_minus;
    const char op = part.op == Op::negate ? '-' : part.op == Op::plus_minus ? '~' : '+';
    left = add_terms(left, node_term(unwrap ? part.parts.front() : part), op);
  }
  return left;
}

Term product_term(const Expression& product) {
  Term left = node_term(product.parts.front());
  for (size_t i = 1; i < product.parts.size(); ++i) {
    const Expression& part = product.parts[i];
    const bool divides = part.op == Op::inverse;
    left =
        multiply_terms(left, node_term(divides ? part.parts.front() : part), divides ? '/' : '*');
  }
  return left;
}

// Names alone are words: case does not count.
bool is_words(const Expression& expression) {
  return expression.op == Op::symbol ||
         (expression.op == Op::product &&
          std::all_of(expression.parts.begin(), expression.parts.end(), is_words));
}

Term root_term(const Expression& root) {
  const Term index = node_term(root.parts[0]);
  const Term radicand = node_term(root.parts[1]);
  if (index.number == Rational{2, 1}) return square_root(radicand);
  return atom_term("root(" + index.text + "," + radicand.text + ")");
}

Term percent_term(const Expression& percent) {
  Term term = node_term(percent.parts.front());
  const auto value = term.number ? divide(*term.number, {100, 1}) : std::nullopt;
  if (value) return number_term(*value);
  return atom_term(parenthesised(term, Binding::atom) + "%");
}

Term relation_term(const Expression& relation) {
  std::string text = node_term(relation.parts.front()).text;
  for (size_t i = 1; i < relation.parts.size(); ++i) {
    text += relation.operators[i - 1] + node_term(relation.parts[i]).text;
  }
  return {text, std::nullopt, Binding::relation};
}

Term matrix_term(const Expression& matrix) {
  std::vector<std::string> rows;
  for (const Expression& row : matrix.parts) rows.push_back(joined(texts(row), ","));
  return atom_term("matrix[" + joined(rows, ";") + "]");
}

Term node_term(const Expression& expression) {
  switch (expression.op) {
    case Op::number:
      return expression.value ? number_term(*expression.value) : atom_term(expression.name);
    case Op::symbol:
    case Op::phrase:
      return atom_term(expression.name);
    case Op::sum:
      return sum_term(expression);
    case Op::product:
      return product_term(expression);
    case Op::negate:
      return negated(node_term(expression.parts.front()));
    case Op::inverse:
      return multiply_terms(number_term({1, 1}), node_term(expression.parts.front()), '/');
    case Op::power:
      return raised(node_term(expression.parts[0]), node_term(expression.parts[1]));
    case Op::root:
      return root_term(expression);
    case Op::factorial:
      return factorial(node_term(expression.parts.front()));
    case Op::binomial:
      return atom_term("binom(" + joined(texts(expression), ",") + ")");
    case Op::call:
      return atom_term(expression.name + "(" + joined(texts(expression), ",") + ")");
    case Op::plus_minus:
      return atom_term("(~" + node_term(expression.parts.front()).text + ")");
    case Op::percent:
      return percent_term(expression);
    case Op::cents:
      return node_term(expression.parts.front());
    case Op::relation:
      return relation_term(expression);
    case Op::tuple:
      return atom_term(expression.name.substr(0, 1) + joined(texts(expression), ",") +
                       expression.name.substr(1));
    case Op::set:
    case Op::list:
    case Op::alternative:
      return atom_term("{" + joined(sorted(texts(expression)), ",") + "}");
    case Op::unite:
      return atom_term(joined(sorted(texts(expression)), " union "));
    case Op::matrix:
      return matrix_term(expression);
  }
  return {};
}

}  // namespace

Term written_out(const Expression& expression) {
  Term term = node_term(expression);
  if (is_words(expression)) term.text = lower_case(term.text);
  return term;
}

}  // namespace pith
