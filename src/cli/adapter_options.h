// The flags of the commands that can run an adapter.
#pragma once

#include <CLI/CLI.hpp>

#include "runtime/open_adapter.h"

namespace pith::cli {

// --adapter-precision.
void add_adapter_precision(CLI::App& command, AdapterPrecision& precision,
                           const std::string& description);

// --adapter, --adapter-precision. Returns the option of the first.
CLI::Option* add_adapter_flags(CLI::App& command, AdapterOptions& options);

}  // namespace pith::cli
