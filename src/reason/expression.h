// What an answer says, as a tree.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reason/rational.h"

namespace pith {

struct Expression {
  enum class Op {
    number,       // `value`; where that does not fit, only `name`, its digits
    symbol,       // `name`
    phrase,       // words: `name`, in lower case and without spaces
    sum,          // of the parts
    product,      // of the parts; one of them may be an inverse
    negate,       // of one part
    inverse,      // of one part
    power,        // base, exponent
    root,         // index, radicand
    factorial,    // of one part
    binomial,     // n, k
    call,         // the function `name` of the parts
    plus_minus,   // of one part; `name` is "pm" or "mp"
    percent,      // of one part
    cents,        // of one part
    relation,     // parts with `operators` between them
    tuple,        // the parts in the brackets `name`: "()", "[)", ...
    set,          // the parts in braces
    list,         // the parts one after the other, without brackets
    alternative,  // the parts with "or" between them
    unite,        // the union of the parts
    matrix,       // the parts are its rows, each a tuple
  };

  Op op = Op::number;
  std::string name;
  std::optional<Rational> value;
  int decimals = 0;  // digits behind the point of a number
  std::vector<Expression> parts;
  std::vector<std::string> operators;  // "=", "<", "<=", ">", ">=" or "!="
};

inline Expression make_number(const Rational& value) {
  return {Expression::Op::number, {}, value, 0, {}, {}};
}
inline Expression make_named(Expression::Op op, std::string name) {
  return {op, std::move(name), {}, 0, {}, {}};
}
inline Expression make_node(Expression::Op op, std::vector<Expression> parts,
                            std::string name = {}) {
  return {op, std::move(name), {}, 0, std::move(parts), {}};
}
inline Expression make_node(Expression::Op op, Expression part, std::string name = {}) {
  std::vector<Expression> parts;
  parts.push_back(std::move(part));
  return make_node(op, std::move(parts), std::move(name));
}
inline Expression make_node(Expression::Op op, Expression first, Expression second,
                            std::string name = {}) {
  std::vector<Expression> parts;
  parts.push_back(std::move(first));
  parts.push_back(std::move(second));
  return make_node(op, std::move(parts), std::move(name));
}

// Reads plain notation (reason/latex.h). Nothing when it is not mathematics. Linear
// time but for look-ahead of bounded length; the tree's depth is bounded.
std::optional<Expression> parse_expression(std::string_view plain);

}  // namespace pith
