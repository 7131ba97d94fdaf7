#include "cli/adapter_options.h"

#include "cli/flags.h"

namespace pith::cli {

void add_adapter_precision(CLI::App& command, AdapterPrecision& precision,
                           const std::string& description) {
  add_choice<AdapterPrecision>(command, "--adapter-precision", precision,
                               {{"int8", AdapterPrecision::int8},
                                {"int4", AdapterPrecision::int4},
                                {"f16", AdapterPrecision::f16},
                                {"f32", AdapterPrecision::f32}},
                               description);
}

CLI::Option* add_adapter_flags(CLI::App& command, AdapterOptions& options) {
  CLI::Option* path =
      command
          .add_option("--adapter", options.path,
                      "LoRA adapter that writes the answer: a PEFT folder or a GGUF file")
          ->option_text("PATH");
  add_adapter_precision(command, options.precision,
                        "How it is kept in memory: int8, int4, f16 or f32 [int8]");
  return path;
}

}  // namespace pith::cli
