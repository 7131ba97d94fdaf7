#include "serve/memory_guard.h"

#include <new>

namespace pith {

template <class Value, class Body>
Value MemoryGuard::pass(Value otherwise, const Body& body) {
  if (failed_) return otherwise;
  try {
    return body();
  } catch (const std::bad_alloc&) {
    failed_ = true;
    return otherwise;
  }
}

void MemoryGuard::on_begin(int32_t cached_tokens) {
  pass(0, [&] { return inside_.on_begin(cached_tokens), 0; });
}

void MemoryGuard::on_prefill(int32_t done_tokens, int32_t prompt_tokens) {
  pass(0, [&] { return inside_.on_prefill(done_tokens, prompt_tokens), 0; });
}

Result<std::span<Branch>> MemoryGuard::on_read(const JobPrompt& prompt) {
  Result<std::span<Branch>> nothing = fail(ErrorCode::exhausted, "out of memory");
  return pass(std::move(nothing), [&] { return inside_.on_read(prompt); });
}

void MemoryGuard::on_start(size_t branches) {
  pass(0, [&] { return inside_.on_start(branches), 0; });
}

void MemoryGuard::on_logits(size_t index, std::span<const float> logits) {
  pass(0, [&] { return inside_.on_logits(index, logits), 0; });
}

void MemoryGuard::on_token(size_t index, const Branch& branch, std::string_view text) {
  pass(0, [&] { return inside_.on_token(index, branch, text), 0; });
}

bool MemoryGuard::has_enough(size_t index) {
  return pass(true, [&] { return inside_.has_enough(index); });
}

void MemoryGuard::on_finish(size_t index, const Branch& branch, std::optional<double> score) {
  pass(0, [&] { return inside_.on_finish(index, branch, score), 0; });
}

void MemoryGuard::on_release(OwnedSequence sequence) {
  pass(0, [&] { return inside_.on_release(std::move(sequence)), 0; });
}

bool MemoryGuard::cancelled() {
  return pass(true, [&] { return inside_.cancelled(); });
}

bool MemoryGuard::decided() {
  return pass(false, [&] { return inside_.decided(); });
}

Pace MemoryGuard::pace(const WorkAhead& ahead) {
  return pass(Pace::free, [&] { return inside_.pace(ahead); });
}

void MemoryGuard::on_end(const Status& status) {
  pass(0, [&] { return inside_.on_end(status), 0; });
  if (failed_) on_failure_();
}

}  // namespace pith
