// What is behind the opaque handles of pith.h.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "pith/pith.h"
#include "reason/conversation.h"
#include "runtime/open_adapter.h"
#include "runtime/open_model.h"
#include "runtime/open_pack.h"

namespace pith::capi {

// Shared by the handle and by sessions.
struct SharedModel {
  explicit SharedModel(OpenModel model) : opened(std::move(model)) {}

  OpenModel opened;
  // Held by who works on the pool of `opened`: sessions load adapters with it.
  mutable std::mutex pool_mutex;
};

}  // namespace pith::capi

struct pith_model {
  std::shared_ptr<const pith::capi::SharedModel> shared;
  pith_model_info info;  // borrows from `shared`
};

struct pith_session {
  std::shared_ptr<const pith::capi::SharedModel> shared;
  pith::ThreadPool pool;
  pith::KvType kv_type;
  int32_t context_tokens;
  std::optional<pith::LoadedPack> pack;
  std::shared_ptr<const pith::Adapter> adapter;  // null: none, or the pack's
  // One word, so that a cancel hits the call that is at work or none: it neither gets lost once
  // a call has begun, nor waits for the next one.
  enum class State { idle, at_work, cancelled };
  std::atomic<State> state = State::idle;
  // Of pith_chat() and pith_generate(), made by the first of them. The engine outlives what
  // runs on it.
  std::unique_ptr<pith::Engine> engine = nullptr;
  pith::AdapterId adapter_id = pith::kNoAdapter;
  std::optional<pith::Conversation> conversation = std::nullopt;

  const pith::OpenModel& model() const { return shared->opened; }
};
