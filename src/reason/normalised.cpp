#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "reason/approximate.h"
#include "reason/canonical.h"

namespace pith {
namespace {

using Op = Expression::Op;

bool is_name(const Expression& expression) {
  return expression.op == Op::symbol || expression.op == Op::phrase;
}

bool has_unknown(const Expression& expression) {
  constexpr std::string_view kConstants[] = {"pi", "e", "i", "inf", "deg"};
  if (expression.op == Op::phrase) return true;
  if (expression.op == Op::symbol) {
    return std::find(std::begin(kConstants), std::end(kConstants), expression.name) ==
           std::end(kConstants);
  }
  return std::any_of(expression.parts.begin(), expression.parts.end(), has_unknown);
}

// ---- Relations

std::string mirrored(const std::string& op) {
  if (op == "<") return ">";
  if (op == "<=") return ">=";
  if (op == ">") return "<";
  return op == ">=" ? "<=" : op;
}

void mirror(Expression& relation) {
  std::reverse(relation.parts.begin(), relation.parts.end());
  std::reverse(relation.operators.begin(), relation.operators.end());
  for (std::string& op : relation.operators) op = mirrored(op);
}

// The name of what the relation gives a value or bounds for; empty without one.
std::string subject(const Expression& relation) {
  if (relation.op != Op::relation) return {};
  const auto name = std::find_if(relation.parts.begin(), relation.parts.end(), is_name);
  return name == relation.parts.end() ? std::string() : name->name;
}

Expression infinity(bool negative) {
  Expression result = make_named(Op::symbol, "inf");
  return negative ? make_node(Op::negate, std::move(result)) : result;
}

// "2 < x", "x <= 3", "-1 < x <= 2" as intervals.
std::optional<Expression> interval(Expression relation) {
  const auto& ops = relation.operators;
  if (ops.front()[0] == '>') mirror(relation);
  const bool ascending =
      std::all_of(ops.begin(), ops.end(), [](const std::string& op) { return op[0] == '<'; });
  auto& sides = relation.parts;
  const bool two = sides.size() == 2;
  const size_t middle = two && is_name(sides[0]) ? 0 : 1;
  const bool bounded = sides.size() <= 3 && ascending && is_name(sides[middle]) &&
                       has_unknown(sides[middle]) &&
                       std::count_if(sides.begin(), sides.end(), has_unknown) == 1;
  if (!bounded) return std::nullopt;
  const bool below = middle > 0;
  const bool above = middle + 1 < sides.size();
  std::string brackets = "()";
  if (below && ops[middle - 1] == "<=") brackets[0] = '[';
  if (above && ops[middle] == "<=") brackets[1] = ']';
  Expression left = below ? std::move(sides[middle - 1]) : infinity(/*negative=*/true);
  Expression right = above ? std::move(sides[middle + 1]) : infinity(/*negative=*/false);
  return make_node(Op::tuple, std::move(left), std::move(right), brackets);
}

bool is_names(const Expression& expression) {
  return is_name(expression) ||
         (expression.op == Op::tuple &&
          std::all_of(expression.parts.begin(), expression.parts.end(), is_name));
}

// "x = 5", "(x, y) = (1, 2)", "A = 2 * 3 = 6", "5 = x", "2 + 3 = 5".
std::optional<Expression> assigned_value(Expression& equation) {
  auto& sides = equation.parts;
  if (is_names(sides.front())) return std::move(sides.back());
  if (sides.size() == 2 && is_names(sides.back())) return std::move(sides.front());
  const auto first = written_out(sides.front()).number;
  if (first && first == written_out(sides.back()).number) return std::move(sides.back());
  return std::nullopt;
}

Expression normalised_relation(Expression relation) {
  const auto& ops = relation.operators;
  const bool equation =
      std::all_of(ops.begin(), ops.end(), [](const std::string& op) { return op == "="; });
  if (equation) {
    auto value = assigned_value(relation);
    return value ? normalised(*std::move(value)) : relation;
  }
  if (auto result = interval(relation)) return *std::move(result);
  if (ops.front()[0] == '>') mirror(relation);
  return relation;
}

// ---- Matrices

// "2 M" and "-M" entry by entry; other arithmetic on matrices stays as it is written.
Expression multiplied_out(Expression expression) {
  const bool product = expression.op == Op::product || expression.op == Op::negate;
  const auto is_matrix = [](const Expression& part) { return part.op == Op::matrix; };
  auto& factors = expression.parts;
  if (!product || std::count_if(factors.begin(), factors.end(), is_matrix) != 1) return expression;
  const auto matrix = std::find_if(factors.begin(), factors.end(), is_matrix);
  Expression result = std::move(*matrix);
  for (Expression& row : result.parts) {
    for (Expression& entry : row.parts) {
      *matrix = std::move(entry);
      entry = expression;
    }
  }
  return result;
}

// ---- Plus or minus

size_t count_signs(const Expression& expression, bool& tied) {
  size_t count = 0;
  if (expression.op == Op::plus_minus) {
    count = 1;
    tied = tied || expression.name == "mp";
  }
  for (const Expression& part : expression.parts) count += count_signs(part, tied);
  return count;
}

// Bit i of `minus` decides the i-th sign; with "∓" about, all go together.
void choose_signs(Expression& expression, unsigned minus, bool tied, size_t& next) {
  if (expression.op == Op::plus_minus) {
    const bool upper = (minus >> (tied ? 0 : next)) % 2 == 0;
    const bool negative = tied && expression.name == "mp" ? upper : !upper;
    ++next;
    Expression part = std::move(expression.parts.front());
    expression = negative ? make_node(Op::negate, std::move(part)) : std::move(part);
    choose_signs(negative ? expression.parts.front() : expression, minus, tied, next);
    return;
  }
  for (Expression& part : expression.parts) choose_signs(part, minus, tied, next);
}

// All that an expression with "±" stands for; itself without any or with too many.
std::vector<Expression> readings(const Expression& expression) {
  constexpr size_t kMost = 3;
  bool tied = false;
  const size_t signs = count_signs(expression, tied);
  if (signs == 0 || signs > kMost) return {expression};
  std::vector<Expression> result;
  for (unsigned minus = 0; minus < (tied ? 2u : 1u << signs); ++minus) {
    size_t next = 0;
    choose_signs(result.emplace_back(expression), minus, tied, next);
  }
  return result;
}

// ---- Collections

bool is_collection(const Expression& expression) {
  return expression.op == Op::set || expression.op == Op::list || expression.op == Op::alternative;
}

// "y = 2, x = 1" is the tuple (1, 2).
bool sort_by_name(std::vector<Expression>& items) {
  std::set<std::string> names;
  for (const Expression& item : items) names.insert(subject(item));
  if (names.size() < items.size() || names.contains("")) return false;
  std::sort(items.begin(), items.end(),
            [](const Expression& a, const Expression& b) { return subject(a) < subject(b); });
  return true;
}

Expression normalised_collection(Expression collection) {
  const Op op = collection.op;
  if (collection.parts.size() > 1 && sort_by_name(collection.parts)) {
    for (Expression& part : collection.parts) part = normalised(std::move(part));
    collection.op = Op::tuple;
    collection.name = "()";
    return collection;
  }
  std::vector<Expression> items;
  bool intervals = op == Op::alternative;
  for (Expression& part : collection.parts) {
    intervals = intervals && part.op == Op::relation;
    Expression item = normalised(std::move(part));
    intervals = intervals && item.op == Op::tuple;
    if (item.op == Op::set) {
      std::move(item.parts.begin(), item.parts.end(), std::back_inserter(items));
    } else {
      items.push_back(std::move(item));
    }
  }
  if (items.size() == 1 && !intervals) return std::move(items.front());
  return make_node(intervals ? Op::unite : Op::set, std::move(items));
}

Expression normalised_union(Expression parts) {
  std::vector<Expression> items;
  for (Expression& part : parts.parts) {
    Expression item = normalised(std::move(part));
    if (item.op == Op::unite) {
      std::move(item.parts.begin(), item.parts.end(), std::back_inserter(items));
    } else {
      items.push_back(std::move(item));
    }
  }
  return make_node(Op::unite, std::move(items));
}

// Square brackets make an interval of two ends in order, and of all else a vector.
bool may_be_interval(const Expression& tuple) {
  if (tuple.parts.size() != 2) return false;
  if (has_unknown(tuple.parts[0]) || has_unknown(tuple.parts[1])) return true;
  const auto length = approximate(
      make_node(Op::sum, tuple.parts[1], make_node(Op::negate, tuple.parts[0])), /*point=*/0);
  return !length || length->value.real() >= 0;
}

Expression normalised_tuple(Expression tuple) {
  sort_by_name(tuple.parts);
  for (Expression& part : tuple.parts) part = normalised(std::move(part));
  if (!may_be_interval(tuple)) tuple.name = "()";
  return tuple;
}

}  // namespace

Expression normalised(Expression expression) {
  if (is_collection(expression)) return normalised_collection(std::move(expression));
  switch (expression.op) {
    case Op::relation:
      return normalised_relation(std::move(expression));
    case Op::unite:
      return normalised_union(std::move(expression));
    case Op::tuple:
      return normalised_tuple(std::move(expression));
    case Op::matrix:
      return expression;
    default:
      break;
  }
  expression = multiplied_out(std::move(expression));
  if (expression.op == Op::matrix) return expression;
  std::vector<Expression> values = readings(expression);
  return values.size() == 1 ? std::move(values.front()) : make_node(Op::set, std::move(values));
}

}  // namespace pith
