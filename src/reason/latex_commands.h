// What commands of LaTeX and characters beyond ASCII mean in plain notation.
#pragma once

#include <optional>
#include <string_view>

namespace pith {

struct Replacement {
  std::string_view from;
  std::string_view to;
};

enum class LatexCommand {
  symbol,       // stands for `Replacement::to`
  words,        // \text: its argument is prose
  transparent,  // \mathbf: its argument is what counts
  fraction,
  binomial,
  period,            // \overline: digits that repeat, or only a line above
  ignored_argument,  // \hspace: its argument is no content
  unknown,
};

struct LatexMeaning {
  LatexCommand kind = LatexCommand::unknown;
  std::string_view text;  // of a symbol
};

// `name` is without the backslash.
LatexMeaning latex_command(std::string_view name);

bool is_matrix_environment(std::string_view name);

// The character that starts `text`, if it means something in plain notation.
const Replacement* plain_character(std::string_view text);

}  // namespace pith
