// The recursive-descent reader behind parse_expression.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reason/expression.h"
#include "reason/scanner.h"

namespace pith {

// Every failure is final: it sets `failed_`, and what is returned then is of no use.
class ExpressionReader {
 public:
  explicit ExpressionReader(std::string_view plain) : in_(plain) {}

  std::optional<Expression> read();

 private:
  Expression fail() {
    failed_ = true;
    return {};
  }

  // ---- Collections, relations, units: expression_reader.cpp
  Expression answer();        // list { union list }
  Expression list(char end);  // item { separator item }, up to `end` or the text's end
  Expression item();          // [currency] relation [scale] [unit]
  Expression relation();      // sum { ("=" | "<" | ..) sum }
  std::optional<Expression> function_head();  // the "f(x)" of "f(x) = .."
  Expression bracket();
  Expression matrix();
  bool accept_union();
  bool typed_union() const;
  std::string separator();
  std::string relation_operator();
  void skip_currency();
  void skip_membership();
  Expression scaled(Expression term);
  Expression with_unit(Expression term, bool numeric);
  bool unit_ahead() const;  // behind a number
  void skip_unit_words();

  // ---- Arithmetic: arithmetic_reader.cpp
  Expression sum();           // product { ("+" | "-" | "pm") product }
  Expression product();       // signed { ("*" | "/" | nothing) power }
  Expression signed_power();  // { "-" | "+" | "pm" } power
  Expression power_term();    // atom { "'" | "_" atom } ["!"] ["^" signed]
  Expression atom();
  Expression named();
  Expression foreign_word();
  Expression phrase();
  Expression absolute_value();
  Expression subscripted(Expression base);
  Expression function(const std::string& name);
  Expression function_argument();
  Expression two_arguments(Expression::Op op);
  Expression radical();
  bool scientific_times();
  bool starts_factor(bool numeric) const;

  Scanner in_;
  int depth_ = 0;
  int brackets_ = 0;
  int bars_ = 0;       // of absolute values that are open
  int arguments_ = 0;  // of functions that are being read
  bool failed_ = false;
};

// Whether it is made of numbers alone (and constants such as pi).
bool is_numeric(const Expression& expression);

}  // namespace pith
