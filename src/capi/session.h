// What the calls on a session share.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "capi/handles.h"
#include "engine/sampler.h"
#include "reason/branch.h"
#include "reason/decode.h"
#include "reason/route.h"

namespace pith::capi {

// The session, taken for one call. Errors: usage (NULL; another call is at work with it).
class SessionUse {
 public:
  static Result<SessionUse> take(pith_session* session);
  SessionUse(SessionUse&& other) noexcept : session_(std::exchange(other.session_, nullptr)) {}
  SessionUse& operator=(SessionUse&&) = delete;
  ~SessionUse() {
    if (session_ != nullptr) session_->state = pith_session::State::idle;
  }
  pith_session& operator*() const { return *session_; }
  pith_session* operator->() const { return session_; }

 private:
  explicit SessionUse(pith_session* session) : session_(session) {}
  pith_session* session_;
};

// Tells a callback, if there is one, what happens; asks it and the session whether to go on.
class CallbackObserver : public DecodeObserver {
 public:
  CallbackObserver(const pith_session& session, pith_callback callback, void* user_data)
      : session_(session), callback_(callback), user_data_(user_data) {}

  void on_prefill(int32_t done_tokens, int32_t prompt_tokens) override;
  void on_start(size_t branches) override;
  void on_token(size_t index, const Branch& branch, std::string_view text) override;
  void on_finish(size_t index, const Branch& branch, std::optional<double>) override;
  bool cancelled() override { return stopped_ || session_.state == pith_session::State::cancelled; }

 private:
  void tell(const pith_event& event);

  const pith_session& session_;
  pith_callback callback_;
  void* user_data_;
  bool stopped_ = false;  // the callback said so; it is not called again
};

inline constexpr pith_sampling kSamplingDefaults = {-1.0f, 0, 1.0f, 0.0f, 1.0f, 0};

// Errors: usage. A temperature below 0 becomes that of SamplingOptions.
Result<SamplingOptions> read_sampling(const pith_sampling& sampling);

Result<ThinkMode> read_think(const pith_think& think);

pith_finish_reason finish_reason_of(FinishReason reason);

}  // namespace pith::capi
