// The real models of the store, for tests with the label "model".
#pragma once

#include <string>

#include "io/model_store.h"

namespace pith::testing {

// The GGUF file of a model of the registry; empty when it is not on this machine
// ("./check" pulls "qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b" and "smollm2-135m").
// Link pith_store.
inline std::string store_model(std::string_view name) {
  const auto registry = Registry::load();
  const auto store = ModelStore::locate();
  if (!registry || !store) return "";
  const auto model = registry->require(name);
  if (!model) return "";
  return store->require(**model).value_or("");
}

}  // namespace pith::testing
