// A tiny random model with its engine and its tokenizer: it babbles, which is what
// budgets and forced answers have to stand.
#pragma once

#include "engine/engine_fixture.h"
#include "io/gguf.h"
#include "model/vocabulary.h"

namespace pith::testing {

inline Tokenizer tiny_tokenizer(const TinySpec& spec) {
  const auto bytes = tiny_model(spec).bytes();
  return read_tokenizer(GgufFile::parse(bytes, spec.name).value()).value();
}

struct TinyReasoner {
  explicit TinyReasoner(const EngineOptions& options = roomy(), int threads = 1,
                        const TinySpec& spec = tiny_spec("qwen2"))
      : engine(make_engine(spec, threads, options)), tokenizer(tiny_tokenizer(spec)) {}

  static EngineOptions roomy() {
    EngineOptions options;
    options.kv_tokens = 32768;
    return options;
  }

  TinyEngine engine;
  Tokenizer tokenizer;
};

}  // namespace pith::testing
