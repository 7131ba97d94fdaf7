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

std::vector<std::string> choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (!type.starts_with('{')) return {};
  return CLI::detail::split(type.substr(1, type.size() - 2), ',');
}

}  // namespace pith::cli
