// Keeps a lack of memory to the request that it befalls.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "reason/batch_scheduler.h"

namespace pith {

// Passes on what a scheduler tells one request. Where that throws std::bad_alloc the request is
// over: the scheduler is told to cancel it, and the request itself, half changed as it may be,
// nothing more but `on_failure` when the scheduler is done with it.
class MemoryGuard : public JobObserver {
 public:
  // Borrows `inside`.
  MemoryGuard(JobObserver& inside, std::function<void()> on_failure)
      : inside_(inside), on_failure_(std::move(on_failure)) {}

  void on_begin(int32_t cached_tokens) override;
  void on_prefill(int32_t done_tokens, int32_t prompt_tokens) override;
  Result<std::span<Branch>> on_read(const JobPrompt& prompt) override;
  void on_start(size_t branches) override;
  const SamplingOptions& sampling(size_t index) override { return inside_.sampling(index); }
  void on_logits(size_t index, std::span<const float> logits) override;
  void on_token(size_t index, const Branch& branch, std::string_view text) override;
  bool has_enough(size_t index) override;
  void on_finish(size_t index, const Branch& branch, std::optional<double> score) override;
  void on_release(OwnedSequence sequence) override;
  bool cancelled() override;
  bool decided() override;
  Pace pace(const WorkAhead& ahead) override;
  void on_end(const Status& status) override;

 private:
  // What the body gives; `otherwise` where it, or another before it, lacked memory.
  template <class Value, class Body>
  Value pass(Value otherwise, const Body& body);

  JobObserver& inside_;
  std::function<void()> on_failure_;
  bool failed_ = false;
};

}  // namespace pith
