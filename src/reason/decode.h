// The loop that all generation goes through: one engine step per token over all
// branches that are still at work.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "engine/engine.h"
#include "reason/adapter_use.h"
#include "reason/branch.h"
#include "reason/switcher.h"
#include "reason/verifier.h"

namespace pith {

// Owns a sequence of an engine and releases it. Move-only; the engine must outlive it.
class OwnedSequence {
 public:
  OwnedSequence() = default;
  explicit OwnedSequence(Engine& engine) : engine_(&engine), id_(engine.create_sequence()) {}
  OwnedSequence(OwnedSequence&& other) noexcept { swap(other); }
  OwnedSequence& operator=(OwnedSequence&& other) noexcept {
    swap(other);
    return *this;
  }
  ~OwnedSequence() { reset(); }

  // Shares the past with this one.
  OwnedSequence fork() const { return OwnedSequence(*engine_, engine_->fork(id_)); }
  void reset() {
    if (engine_ != nullptr) engine_->release(id_);
    engine_ = nullptr;
  }
  bool empty() const { return engine_ == nullptr; }
  SequenceId id() const { return id_; }

 private:
  OwnedSequence(Engine& engine, SequenceId id) : engine_(&engine), id_(id) {}
  void swap(OwnedSequence& other) {
    std::swap(engine_, other.engine_);
    std::swap(id_, other.id_);
  }

  Engine* engine_ = nullptr;
  SequenceId id_ = -1;
};

// What the next step does.
struct WorkAhead {
  int32_t rows = 0;
  int32_t branches = 0;       // at work
  double context_tokens = 0;  // that a branch holds, in the mean
};

// What the time allows.
enum class Pace {
  free,    // all
  answer,  // no more thinking: branches that think must answer, and no other starts
  stop,    // no further step
};

// Told of what happens while a prompt is read and branches are decoded, on the
// calling thread. Override what is of interest; keep it quick.
class DecodeObserver {
 public:
  virtual ~DecodeObserver() = default;
  virtual void on_prefill(int32_t /*done_tokens*/, int32_t /*prompt_tokens*/) {}
  // Before the first token: so many branches will be decoded.
  virtual void on_start(size_t /*branches*/) {}
  // `text` is what became complete, often empty; the branch has been updated.
  virtual void on_token(size_t /*index*/, const Branch& /*branch*/, std::string_view /*text*/) {}
  // `verifier_score` is none where no verifier is asked, or where it could not be.
  virtual void on_finish(size_t /*index*/, const Branch& /*branch*/,
                         std::optional<double> /*verifier_score*/) {}
  // Asked before every step: true ends all branches that are not finished.
  virtual bool cancelled() { return false; }
  // Asked before every step: true ends them too, as what the finished ones say is enough.
  virtual bool decided() { return false; }
  // Asked before every step, so that a deadline can be kept.
  virtual Pace pace(const WorkAhead& /*ahead*/) { return Pace::free; }
};

// Reads `tokens` onto the sequence in steps of the engine's size. Returns the row
// of the last step that has the logits after the last token. `pooler`, if any, is given
// the hidden states. Errors: those of Engine::step; cancelled.
Result<size_t> read_prompt(Engine& engine, SequenceId sequence, std::span<const TokenId> tokens,
                           DecodeObserver& observer, const AdapterUse& use = {},
                           PromptPooler* pooler = nullptr);

struct DecodeOptions {
  SamplingOptions sampling;
  AdapterId adapter = kNoAdapter;  // what branches read is processed with it
  size_t parallel = 0;             // branches at once; 0: all
  // Borrowed; null: none. Scores the branches that came to their end, those of one step
  // together. Such a branch keeps its place in the KV cache until then.
  const Verifier* verifier = nullptr;
};

// Runs all branches to their ends, in their order: one that finishes hands its place to
// the next. `prompt` holds what all have in common, `prompt_logits` [V] are the logits after
// it; they are copied. Every branch writes onto a fork of its own, which is
// released as it finishes, but for the last to start, which writes onto `prompt` itself.
// Branches that the KV cache has no room for end with `context`, the last ones first, and
// their places are not filled again. With Pace::stop they end with `deadline`, as they stand;
// only where no branch has said anything that counts as an answer, the first at work gives
// its own, in as many steps as that takes. In the end all branches are finished, those too that
// never started.
// Errors: those of Engine::step but `exhausted`; the branches then stand as they were.
Status decode(Engine& engine, const Tokenizer& tokenizer, std::span<Branch> branches,
              OwnedSequence& prompt, std::span<const float> prompt_logits,
              const DecodeOptions& options, DecodeObserver& observer);

}  // namespace pith
