// From LaTeX, and what else people write, to the plain notation that
// reason/expression.h reads.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pith {

// Around the words of "\text{square inches}", so that they are no names.
constexpr char kPhraseBegin = '\x0e';
constexpr char kPhraseEnd = '\x0f';

// "\frac{1}{2}" becomes "frac(1;2)", "\sqrt[3]{x}" "root(3;x)", "\sqrt2" "sqrt(2)", a
// matrix "matrix((a,b),(c,d))"; a Greek letter its name, a degree sign
// "deg"; "10{,}000" and "10,\!000" lose the separator; "\text" leaves its content, in
// phrase marks where that is prose; currency signs, sizes and spacing are dropped; "−", "×", "½",
// "²" and the like become ASCII.
//
// Nothing when the text is nested too deep or is an environment that we do not
// know. Linear in the text's length, any bytes; bytes that mean nothing here stay.
std::optional<std::string> plain_notation(std::string_view text);

}  // namespace pith
