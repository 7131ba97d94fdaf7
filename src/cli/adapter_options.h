// The flags of the commands that can run an adapter.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/open_model.h"
#include "engine/engine.h"
#include "model/adapter.h"

namespace pith::cli {

struct AdapterOptions {
  std::string path;  // a PEFT folder or a GGUF adapter; empty: none
  AdapterPrecision precision = AdapterPrecision::int8;
};

// --adapter, --adapter-precision. Returns the option of the first.
CLI::Option* add_adapter_flags(CLI::App& command, AdapterOptions& options);

// Null when none is asked for. Errors: those of open_adapter and Adapter::load.
Result<std::shared_ptr<const Adapter>> load_adapter(const OpenModel& model,
                                                    const AdapterOptions& options);

// The same, known to the engine; kNoAdapter when none is asked for.
Result<AdapterId> attach_adapter(Engine& engine, const OpenModel& model,
                                 const AdapterOptions& options);

}  // namespace pith::cli
