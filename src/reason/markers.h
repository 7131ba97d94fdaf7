// Where in a solution its final answer stands. Each function is linear in the
// text's length, takes any bytes, and returns a part of the text it was given.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace pith {

// What the last \boxed{..} or \fbox{..} holds (the outer one of nested ones). Blank
// ones do not count. A box does not span a blank line.
std::optional<std::string_view> last_boxed(std::string_view text);

// What follows, on its line, the last \boxed{ that nothing closes: a box in the making.
std::optional<std::string_view> open_boxed(std::string_view text);

// What follows "answer is", "answer:", a heading "Final answer" or "####", to the end
// of its sentence or formula. The last ones first; at most `limit` of them.
std::vector<std::string_view> answer_phrases(std::string_view text, size_t limit);

// The last number with its sign, currency and percent sign, or the last fraction.
// Digits of names (x_1, H2O) and exponents of units (cm^2) are no numbers.
std::optional<std::string_view> last_number(std::string_view text);

// Removes what only formats: spaces, $..$, \(..\), **..**, \text{..}, \boxed{..}.
std::string_view without_markup(std::string_view text);

}  // namespace pith
