#include "cli/flags.h"

#include "runtime/open_model.h"

namespace pith::cli {

CLI::Option* add_model_option(CLI::App& command, std::string& model) {
  model = default_model_name();
  return command
      .add_option("-m,--model", model,
                  fmt::format("Name in the registry, or path of a GGUF file [{}]", model))
      ->option_text("MODEL");
}

CLI::Option* add_repeated(CLI::App& command, const std::string& flags,
                          std::vector<std::string>& values, const std::string& value_name,
                          const std::string& description) {
  return command.add_option(flags, values, description)
      ->option_text(value_name)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

std::vector<std::string> choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (!type.starts_with('{')) return {};
  return CLI::detail::split(type.substr(1, type.size() - 2), ',');
}

}  // namespace pith::cli
