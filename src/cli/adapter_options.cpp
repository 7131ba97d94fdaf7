#include "cli/adapter_options.h"

#include "cli/flags.h"

namespace pith::cli {

CLI::Option* add_adapter_flags(CLI::App& command, AdapterOptions& options) {
  CLI::Option* path =
      command
          .add_option("--adapter", options.path,
                      "LoRA adapter that writes the answer: a PEFT folder or a GGUF file")
          ->option_text("PATH");
  add_choice<AdapterPrecision>(command, "--adapter-precision", options.precision,
                               {{"int8", AdapterPrecision::int8},
                                {"int4", AdapterPrecision::int4},
                                {"f16", AdapterPrecision::f16},
                                {"f32", AdapterPrecision::f32}},
                               "How it is kept in memory: int8, int4, f16 or f32 [int8]");
  return path;
}

Result<std::shared_ptr<const Adapter>> load_adapter(const OpenModel& model,
                                                    const AdapterOptions& options) {
  if (options.path.empty()) return nullptr;
  const ModelConfig& config = model.model->config();
  PITH_TRY(const auto source, open_adapter(options.path, config));
  return Adapter::load(*source, config, options.precision, *model.pool);
}

Result<AdapterId> attach_adapter(Engine& engine, const OpenModel& model,
                                 const AdapterOptions& options) {
  PITH_TRY(auto adapter, load_adapter(model, options));
  return adapter == nullptr ? kNoAdapter : engine.add_adapter(std::move(adapter));
}

}  // namespace pith::cli
