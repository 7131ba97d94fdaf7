// Hidden states of prompts and of sampled texts, computed by the engine as it would when the
// head is asked: the same bits.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "engine/engine.h"
#include "heads/feature_cache.h"
#include "heads/samples.h"
#include "model/adapter.h"
#include "model/model.h"
#include "text/tokenizer.h"

namespace pith {

// The model that wrote the samples, with the adapter that it wrote them with.
struct FeatureModel {
  std::shared_ptr<const Model> model;
  ThreadPool* pool = nullptr;  // borrowed, as the next
  const Tokenizer* tokenizer = nullptr;
  std::shared_ptr<const Adapter> adapter;  // null: none
  KvType kv_type = KvType::int16;
};

// What is read behind a sample for its features.
struct VerifierFeatures {
  std::vector<TokenId> prompt;        // the verification prompt; empty: none
  bool with_adapter = false;          // who reads it
  std::vector<int32_t> positions;     // last tokens of it that are averaged
  std::vector<int32_t> layers = {0};  // behind which states are taken (Row::hidden_layers)

  // A kind of features.
  struct Kind {
    int32_t positions = 0;  // 0: the last token that the branch sampled, in place of the prompt
    int32_t layer = 0;

    // "branch" or "prompt-K", and "@L" for a layer before the last.
    std::string name() const;
  };
  // In this order: the branch's of all layers, then the prompt's, layer by layer.
  std::vector<Kind> kinds() const;
  std::vector<std::string> names() const;
};

// Drives an engine of its own. Not thread safe.
class FeatureReader {
 public:
  // `most_kv_tokens`: the most that kv_tokens_of() says of any prompt; several prompts are read
  // at once where more fits. Errors: those of Engine::create.
  static Result<FeatureReader> create(const FeatureModel& model, int64_t most_kv_tokens);

  // KV cache that the samples of a prompt take at once.
  static int64_t kv_tokens_of(const SampledPrompt& prompt, size_t verification_tokens);

  // Rows for all samples in order. Each prompt is read once, by the base model up to where the
  // adapter is switched on; its samples and what is read behind them on forks of it, as many
  // prompts at once as the KV cache has room for. `cancelled` is asked between steps. Errors:
  // those of adapter_use() and Engine::step; cancelled.
  Result<std::vector<Feature>> verifier_features(std::span<const SampledPrompt> prompts,
                                                 const VerifierFeatures& features,
                                                 FunctionRef<bool()> cancelled);

  // One row for each prompt, kind "pooled": what a switcher that reads behind `layer` is asked
  // of. Errors: likewise; usage (a prompt that has nothing before the place where the adapter is
  // switched on).
  Result<std::vector<Feature>> prompt_features(std::span<const EncodedPrompt> prompts,
                                               int32_t layer, FunctionRef<bool()> cancelled);

 private:
  explicit FeatureReader(const FeatureModel& model) : tokenizer_(model.tokenizer) {}

  size_t width() const { return static_cast<size_t>(engine_->model().config().width); }
  Status run(std::span<const Row> rows, FunctionRef<bool()> cancelled,
             FunctionRef<void(size_t row, std::span<const float> hidden)> take);
  Status read_group(std::span<const SampledPrompt> prompts, const VerifierFeatures& features,
                    FunctionRef<bool()> cancelled, std::vector<Feature>& kinds);

  const Tokenizer* tokenizer_;
  std::unique_ptr<Engine> engine_;
  AdapterId adapter_ = kNoAdapter;
};

}  // namespace pith
