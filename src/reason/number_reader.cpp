#include "reason/number_reader.h"

#include <algorithm>

#include "reason/words.h"

namespace pith {
namespace {

// A separator and exactly three digits.
bool thousands_ahead(const Scanner& scanner, bool in_brackets) {
  const char separator = scanner.peek();
  if (separator != ' ' && (separator != ',' || in_brackets)) return false;
  for (size_t i = 1; i <= 3; ++i) {
    if (!is_digit(scanner.peek(i))) return false;
  }
  return !is_digit(scanner.peek(4)) && !(separator == ' ' && scanner.peek(4) == '/');
}

std::string take_digits(Scanner& scanner) {
  std::string digits;
  for (; is_digit(scanner.peek()); scanner.advance()) digits.push_back(scanner.peek());
  return digits;
}

std::string take_integer(Scanner& scanner, bool in_brackets) {
  std::string digits = take_digits(scanner);
  const char separator = scanner.peek();
  const bool first_group = !digits.empty() && digits.size() <= 3;
  while (first_group && scanner.peek() == separator && thousands_ahead(scanner, in_brackets)) {
    scanner.advance();
    digits += take_digits(scanner);
  }
  return digits;
}

// The digits that repeat without end: marked, or a digit three times before "...".
std::string take_period(Scanner& scanner, const std::string& fraction) {
  constexpr std::string_view kMark = "overline(";
  if (scanner.starts_with(kMark)) {
    const size_t begin = scanner.position();
    scanner.advance(kMark.size());
    std::string period = take_digits(scanner);
    if (!period.empty() && scanner.peek() == ')') {
      scanner.advance();
      return period;
    }
    scanner.move_to(begin);
  } else if (scanner.starts_with("...")) {
    scanner.advance(3);
    const size_t size = fraction.size();
    if (size >= 3 && fraction[size - 1] == fraction[size - 2] &&
        fraction[size - 2] == fraction[size - 3]) {
      return fraction.substr(size - 1);
    }
  }
  return {};
}

// `digits` has a point; the period is worth itself over 99..9, behind its last digit.
std::optional<Rational> with_period(const std::string& digits, const std::string& period,
                                    size_t decimals) {
  const auto head = parse_decimal(digits);
  const auto repeated = parse_decimal(period);
  const auto nines = parse_decimal(std::string(period.size(), '9'));
  const auto scale = parse_decimal("1" + std::string(decimals, '0'));
  if (!head || !repeated || !nines || !scale) return std::nullopt;
  const auto divisor = multiply(*nines, *scale);
  const auto tail = divisor ? divide(*repeated, *divisor) : std::nullopt;
  return tail ? add(*head, *tail) : std::nullopt;
}

void take_exponent(Scanner& scanner, std::string& digits) {
  const size_t sign = scanner.peek(1) == '-' || scanner.peek(1) == '+' ? 1 : 0;
  if ((scanner.peek() != 'e' && scanner.peek() != 'E') || !is_digit(scanner.peek(1 + sign))) return;
  digits.push_back('e');
  if (sign == 1) digits.push_back(scanner.peek(1));
  scanner.advance(1 + sign);
  digits += take_digits(scanner);
}

std::string without_leading_zeros(const std::string& digits) {
  const size_t last = std::min(digits.find_first_not_of("0123456789"), digits.size()) - 1;
  return digits.substr(std::min(digits.find_first_not_of('0'), last));
}

Expression read_decimal(Scanner& scanner, bool in_brackets) {
  std::string digits = take_integer(scanner, in_brackets);
  std::string fraction;
  if (scanner.peek() == '.' && !is_letter(scanner.peek(1)) && scanner.peek(1) != '.') {
    scanner.advance();
    fraction = take_digits(scanner);
    digits += '.' + fraction;
  } else if (scanner.starts_with(".overline(")) {
    scanner.advance();
    digits += '.';
  }
  const bool pointed = digits.find('.') != std::string::npos;
  const std::string period = pointed ? take_period(scanner, fraction) : std::string();
  if (period.empty()) take_exponent(scanner, digits);
  Expression number = make_named(Expression::Op::number, without_leading_zeros(digits));
  if (!period.empty()) number.name += "overline" + period;
  number.value =
      period.empty() ? parse_decimal(digits) : with_period(digits, period, fraction.size());
  if (period.empty()) number.decimals = static_cast<int>(fraction.size());
  return number;
}

std::optional<Rational> integer_ahead(Scanner& scanner) {
  return parse_decimal(take_digits(scanner));
}

// A proper fraction of integers behind a whole number, consumed if there is one.
std::optional<Rational> fraction_ahead(Scanner& scanner) {
  const size_t begin = scanner.position();
  scanner.skip_spaces();
  const bool space = scanner.position() > begin;
  const bool command = scanner.starts_with("frac(");
  if (command) scanner.advance(5);
  if (command || space) {
    const auto numerator = integer_ahead(scanner);
    if (numerator && scanner.accept(command ? ';' : '/')) {
      scanner.skip_spaces();
      const auto denominator = integer_ahead(scanner);
      const bool closed = !command || scanner.accept(')');
      const auto value = denominator && closed ? divide(*numerator, *denominator) : std::nullopt;
      if (value && value->numerator < value->denominator) return value;
    }
  }
  scanner.move_to(begin);
  return std::nullopt;
}

}  // namespace

Expression read_number(Scanner& scanner, bool in_brackets) {
  const size_t begin = scanner.position();
  Expression whole = read_decimal(scanner, in_brackets);
  const std::string_view written = scanner.text().substr(begin, scanner.position() - begin);
  const bool plain = written.find_first_of(".eE") == std::string_view::npos;
  if (!plain || !whole.value) return whole;
  const size_t end = scanner.position();
  const auto part = fraction_ahead(scanner);
  if (!part) return whole;
  if (const auto sum = add(*whole.value, *part)) return make_number(*sum);
  scanner.move_to(end);
  return whole;
}

}  // namespace pith
