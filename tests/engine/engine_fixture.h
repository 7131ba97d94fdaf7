// A tiny model with an engine on it.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "engine/engine.h"
#include "support/tiny_model.h"

namespace pith::testing {

struct TinyEngine {
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Engine> engine;

  Engine* operator->() const { return engine.get(); }
  Engine& operator*() const { return *engine; }
};

// An engine of its own on a model that all engines of the same spec share. Fails the test
// when it cannot be made.
TinyEngine make_engine(const TinySpec& spec, int threads = 1, const EngineOptions& options = {});

// Makes the kernels of one instruction set the chosen ones for a test.
class WithIsa {
 public:
  explicit WithIsa(Isa isa) { setenv("PITH_ISA", std::string(isa_name(isa)).c_str(), 1); }
  ~WithIsa() { unsetenv("PITH_ISA"); }
  WithIsa(const WithIsa&) = delete;
  WithIsa& operator=(const WithIsa&) = delete;
};

// Throws, and so fails the test, with the error's message.
void must(const Status& status);

// Deterministic tokens, the same for the same `salt`.
std::vector<TokenId> some_tokens(size_t count, uint64_t salt);

// The logits after the last of `tokens`, on a sequence of their own.
std::vector<float> logits_after(Engine& engine, const std::vector<TokenId>& tokens);

// A copy of the last step's logits of a row.
std::vector<float> copy_logits(const Engine& engine, size_t row);

}  // namespace pith::testing
