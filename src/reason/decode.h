// What those who watch are told while prompts are read and branches decoded, and the
// sequences that this goes on.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "engine/engine.h"
#include "reason/branch.h"

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

// What the next step does, as one question sees it.
struct WorkAhead {
  int32_t rows = 0;           // of the step, those of other questions included
  int32_t branches = 0;       // of this question, at work
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
  // The logits [V] that the next token of the branch is drawn from.
  virtual void on_logits(size_t /*index*/, std::span<const float> /*logits*/) {}
  // `text` is what became complete, often empty; the branch has been updated.
  virtual void on_token(size_t /*index*/, const Branch& /*branch*/, std::string_view /*text*/) {}
  // `verifier_score` is none where no verifier is asked, or where it could not be.
  virtual void on_finish(size_t /*index*/, const Branch& /*branch*/,
                         std::optional<double> /*verifier_score*/) {}
  // Asked before every step: true ends all branches that are not finished, or the reading
  // of the prompt.
  virtual bool cancelled() { return false; }
  // Asked before every step: true ends them too, as what the finished ones say is enough.
  virtual bool decided() { return false; }
  // Asked before every step, so that a deadline can be kept.
  virtual Pace pace(const WorkAhead& /*ahead*/) { return Pace::free; }
};

}  // namespace pith
