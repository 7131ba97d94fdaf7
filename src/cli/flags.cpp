#include "cli/flags.h"

#include "cli/open_model.h"

namespace pith::cli {

CLI::Option* add_model_option(CLI::App& command, std::string& model) {
  model = default_model_name();
  return command
      .add_option("-m,--model", model,
                  fmt::format("Name in the registry, or path of a GGUF file [{}]", model))
      ->option_text("MODEL");
}

}  // namespace pith::cli
