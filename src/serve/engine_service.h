// The service on one engine: a thread that drives it, and a scheduler that puts the requests of
// all clients into its steps.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/thread_pool.h"
#include "engine/engine.h"
#include "model/adapter.h"
#include "model/model.h"
#include "reason/pack.h"
#include "reason/verifier.h"
#include "serve/service.h"
#include "text/chat_template.h"

namespace pith {

// What is served. Pointers are borrowed, and outlive the service.
struct ServedModel {
  std::string name;
  std::shared_ptr<const Model> model;
  ThreadPool* pool = nullptr;  // the service's alone while it lives
  const Tokenizer* tokenizer = nullptr;
  std::optional<ChatTemplate> chat_template;  // none: plain text alone
  const Pack* pack = nullptr;                 // for this model; null: none
  std::shared_ptr<const Adapter> adapter;     // the pack's; null: it has none
  std::optional<Verifier> verifier;           // likewise; its reader is set here
};

struct EngineServiceOptions {
  // kv_tokens of 0: four times the context. At least one and a little more are needed.
  EngineOptions engine;
  int32_t places = 16;        // texts at work at once, at most half of the engine's rows
  int32_t prompt_rows = 64;   // of prompts in a step beside texts at work
  int64_t cache_tokens = -1;  // of the prefix cache; -1: half of the KV cache; 0: none
  SamplingOptions sampling;   // what ServiceInfo gives
  int32_t branches = 8;
  int32_t budget_tokens = 1024;
  ServiceLimits limits;  // what is 0 there: 16 choices, 64 branches, a queue of 64, all tokens
};

class EngineService : public Service {
 public:
  // Errors: usage (an option out of range), those of Engine::create.
  static Result<std::unique_ptr<EngineService>> create(ServedModel served,
                                                       EngineServiceOptions options);
  // What is at work ends with the error `cancelled`.
  ~EngineService() override;

  // Messages of a vote without a system message get the pack's, or that of its kind of answer.
  // With a pack, messages are read by the base model up to the assistant's turn; what follows
  // is its adapter's, unless `think` or the pack's switcher has it that no reasoning is needed.
  Submission submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) override;
  std::vector<TokenId> tokenize(std::string_view text) const override;
  std::string detokenize(std::span<const TokenId> tokens) const override;
  const ServiceInfo& info() const override;
  ServiceMetrics metrics() const override;
  void drain(double seconds) override;

 private:
  struct Impl;
  explicit EngineService(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pith
