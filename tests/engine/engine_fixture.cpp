#include "engine/engine_fixture.h"

#include <stdexcept>

#include "base/rng.h"

namespace pith::testing {

namespace {

// A model, and the file's bytes that it borrows.
struct LoadedFile {
  std::vector<uint8_t> bytes;
  std::shared_ptr<const Model> model;
};

LoadedFile load(const TinySpec& spec, ThreadPool& pool) {
  LoadedFile loaded;
  loaded.bytes = tiny_model(spec).bytes();
  auto file = GgufFile::parse(loaded.bytes, spec.name).value();
  loaded.model = Model::load(std::make_shared<const GgufFile>(std::move(file)), pool).value();
  return loaded;
}

// Made once for each spec, and instruction set as weights are packed for one.
std::shared_ptr<const Model> shared_model(const TinySpec& spec, ThreadPool& pool) {
  static std::vector<std::pair<std::pair<TinySpec, Isa>, LoadedFile>> models;
  const std::pair key(spec, chosen_isa().value());
  for (const auto& [known, loaded] : models) {
    if (known == key) return loaded.model;
  }
  return models.emplace_back(key, load(spec, pool)).second.model;
}

}  // namespace

TinyEngine make_engine(const TinySpec& spec, int threads, const EngineOptions& options) {
  TinyEngine tiny;
  tiny.pool = std::make_unique<ThreadPool>(threads);
  tiny.engine = Engine::create(shared_model(spec, *tiny.pool), *tiny.pool, options).value();
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
