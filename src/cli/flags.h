// Kinds of options that CLI11 lacks. All check what they are given, show their default
// in the help, and throw CLI::ValidationError, which main() turns into one line.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cli/input.h"

namespace pith::cli {

template <class T>
T number_or_throw(const std::string& flags, std::string_view text, T least, T most) {
  if (const std::optional<T> value = parse_number(text, least, most)) return *value;
  throw CLI::ValidationError(
      flags, fmt::format("'{}' is not a number from {} to {}", printable(text, 40), least, most));
}

// A number from least to most.

template <class T>
CLI::Option* add_number(CLI::App& command, const std::string& flags, T& value, T least, T most,
                        const std::string& description) {
  const auto parse = [&value, flags, least, most](const std::string& text) {
    value = number_or_throw(flags, text, least, most);
  };
  return command
      .add_option_function<std::string>(flags, parse, fmt::format("{} [{}]", description, value))
      ->option_text("N");
}

// Several of them with commas between.
template <class T>
CLI::Option* add_numbers(CLI::App& command, const std::string& flags, std::vector<T>& values,
                         T least, T most, const std::string& description) {
  const auto parse = [&values, flags, least, most](const std::vector<std::string>& texts) {
    values.clear();
    for (const std::string& text : texts)
      values.push_back(number_or_throw(flags, text, least, most));
  };
  const std::string preset = values.empty() ? "none" : fmt::format("{}", fmt::join(values, ","));
  const std::string shown = fmt::format("{} [{}]", description, preset);
  return command.add_option_function<std::vector<std::string>>(flags, parse, shown)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->option_text("N,N,..");
}

// One value, as often as it is given: all are taken.
CLI::Option* add_repeated(CLI::App& command, const std::string& flags,
                          std::vector<std::string>& values, const std::string& value_name,
                          const std::string& description);

// One of the names.
template <class T>
CLI::Option* add_choice(CLI::App& command, const std::string& flags, T& value,
                        std::vector<std::pair<std::string_view, T>> choices,
                        const std::string& description) {
  const auto choose = [&value, flags, choices](const std::string& name) {
    std::string names;
    for (const auto& [known, known_value] : choices) {
      if (known == name) {
        value = known_value;
        return;
      }
      names += fmt::format("{}{}", names.empty() ? "" : ", ", known);
    }
    throw CLI::ValidationError(flags,
                               fmt::format("'{}' is none of {}", printable(name, 40), names));
  };
  CLI::Option* option =
      command.add_option_function<std::string>(flags, choose, description)->option_text("NAME");
  std::vector<std::string_view> names;
  for (const auto& choice : choices) names.push_back(choice.first);
  // Not shown, as there is an option_text; for choices_of().
  return option->type_name(fmt::format("{{{}}}", fmt::join(names, ",")));
}

// The names that an option of add_choice() takes; empty for any other.
std::vector<std::string> choices_of(const CLI::Option& option);

// -m, --model: a name or a path; the default is the registry's.
CLI::Option* add_model_option(CLI::App& command, std::string& model);

}  // namespace pith::cli
