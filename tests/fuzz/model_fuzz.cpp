// A model file of any bytes, loaded and run: no file may bring the engine down.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "engine/engine.h"
#include "io/gguf.h"
#include "model/model.h"

namespace {

using namespace pith;

constexpr int32_t kContext = 16;

// A prompt, a fork, a step of both. The numbers may be anything, NaN too.
void run(Engine& engine, int32_t vocabulary) {
  const SequenceId first = engine.create_sequence();
  const std::vector<TokenId> prompt = {0, vocabulary - 1, vocabulary / 2};
  if (!engine.prefill(first, prompt)) std::abort();
  const SequenceId second = engine.fork(first);
  const Row rows[] = {{0, first, true, true}, {vocabulary - 1, second, true, true}};
  if (!engine.step(rows)) std::abort();
  if (engine.logits(0).size() != static_cast<size_t>(vocabulary)) std::abort();
  const Row beyond[] = {{vocabulary, first, true, false}};
  if (engine.step(beyond)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto file = GgufFile::parse({data, size}, "fuzz.gguf");
  if (!file) return 0;
  ThreadPool pool(1);
  const auto model = Model::load(std::make_shared<const GgufFile>(std::move(*file)), pool);
  if (!model) return 0;
  const EngineOptions options{.context_tokens = kContext, .kv_tokens = 4 * 64, .max_rows = 8};
  const auto engine = Engine::create(*model, pool, options);
  if (engine) run(**engine, (*model)->config().vocabulary);
  return 0;
}
