// From LaTeX, and what else people write, to the plain notation that
// reason/expression.h reads.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pith {

// "\frac{1}{2}" becomes "frac(1;2)", "\sqrt[3]{x}" "root(3;x)", "\sqrt2" "sqrt(2)", a
// matrix "matrix((a,b),(c,d))"; "\text{cm}" its content, a Greek letter its name;
// "10{,}000" and "10,\!000" lose the separator; degrees, currency signs, sizes and
// spacing of LaTeX are dropped; "−", "×", "½", "²" and the like become ASCII.
//
// Nothing when the text is nested too deep or is an environment that we do not
// know. Linear in the text's length, any bytes; bytes that mean nothing here stay.
std::optional<std::string> plain_notation(std::string_view text);

}  // namespace pith
