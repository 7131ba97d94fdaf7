#include "engine/engine_fixture.h"

#include <stdexcept>

#include "base/rng.h"

namespace pith::testing {

TinyEngine make_engine(const TinySpec& spec, int threads, const EngineOptions& options) {
  TinyEngine tiny;
  tiny.bytes = tiny_model(spec).bytes();
  tiny.pool = std::make_unique<ThreadPool>(threads);
  auto file = GgufFile::parse(tiny.bytes, spec.name).value();
  auto model = Model::load(std::make_shared<const GgufFile>(std::move(file)), *tiny.pool).value();
  tiny.engine = Engine::create(std::move(model), *tiny.pool, options).value();
  return tiny;
}

void must(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message);
}

std::vector<TokenId> some_tokens(size_t count, uint64_t salt) {
  std::vector<TokenId> tokens;
  for (size_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<TokenId>(random_bits(salt, 0, i) % kTinyVocabulary));
  }
  return tokens;
}

std::vector<float> logits_after(Engine& engine, const std::vector<TokenId>& tokens) {
  const SequenceId sequence = engine.create_sequence();
  must(engine.prefill(sequence, tokens));
  std::vector<float> logits = copy_logits(engine, engine.last_prefill_row());
  engine.release(sequence);
  return logits;
}

std::vector<float> copy_logits(const Engine& engine, size_t row) {
  const auto logits = engine.logits(row);
  return {logits.begin(), logits.end()};
}

}  // namespace pith::testing
