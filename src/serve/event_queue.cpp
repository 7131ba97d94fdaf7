#include "serve/event_queue.h"

#include <new>

namespace pith {
namespace {

// Unread output of a client that does not read: minutes of text.
constexpr size_t kMostUnreadBytes = size_t{16} << 20;

}  // namespace

void EventQueue::on_text(const TextDelta& delta) {
  TextEvent event = TextEvent::copy_of(delta);
  const size_t bytes = event.bytes();
  push(std::move(event), bytes);
}

void EventQueue::on_error(const Error& error) {
  try {
    push(error, sizeof(error));
  } catch (const std::bad_alloc&) {  // for a copy of it
    lost_ = true;
    filled_.notify_one();
  }
}

void EventQueue::push(GenerationEvent event, size_t bytes) {
  {
    const std::scoped_lock lock(mutex_);
    if (lost_) return;
    try {
      events_.push_back({std::move(event), bytes});
      bytes_ += bytes;
      if (bytes_ > kMostUnreadBytes) gone_ = true;
    } catch (const std::bad_alloc&) {
      lost_ = true;
    }
  }
  filled_.notify_one();
}

std::optional<GenerationEvent> EventQueue::next(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  if (!filled_.wait_for(lock, patience, [&] { return !events_.empty() || lost_; })) {
    return std::nullopt;
  }
  if (events_.empty()) return Error{ErrorCode::exhausted, "out of memory"};
  Item item = std::move(events_.front());
  events_.pop_front();
  bytes_ -= item.bytes;
  return std::move(item.event);
}

}  // namespace pith
