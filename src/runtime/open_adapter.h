// Adapters that are given by path, ready to run with a model.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "engine/engine.h"
#include "model/adapter.h"
#include "runtime/open_model.h"

namespace pith {

struct AdapterOptions {
  std::string path;  // a PEFT folder or a GGUF adapter; empty: none
  AdapterPrecision precision = AdapterPrecision::int8;
};

// Null when none is asked for. Works on the model's pool. Errors: those of open_adapter and
// Adapter::load.
Result<std::shared_ptr<const Adapter>> load_adapter(const OpenModel& model,
                                                    const AdapterOptions& options);

// The same, known to the engine; kNoAdapter when none is asked for.
Result<AdapterId> attach_adapter(Engine& engine, const OpenModel& model,
                                 const AdapterOptions& options);

// The sha256 of the adapter's files, always in the same order. Errors: io.
Result<std::vector<std::string>> adapter_sha256(const std::string& path);

}  // namespace pith
