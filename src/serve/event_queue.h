// Between the engine's thread, which must not wait, and a connection's, which may.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

#include "serve/service.h"
#include "serve/transcript.h"

namespace pith {

// Keeps what a service tells until its reader takes it. One reader. Where memory lacks for an
// event, the work ends, and the last thing to be read is the error `exhausted`.
class EventQueue : public GenerationSink {
 public:
  void on_start(const GenerationStart& start) override { push(start, sizeof(start)); }
  void on_text(const TextDelta& delta) override;
  void on_text_end(const TextEnd& end) override { push(end, sizeof(end)); }
  void on_end(const GenerationEnd& end) override { push(end, sizeof(end)); }
  void on_error(const Error& error) override;
  // Not once the reader has gone, or has left so much unread that it may as well have.
  bool wants_more() override { return !gone_ && !lost_; }

  // The next event; nothing when there was none for so long.
  std::optional<GenerationEvent> next(std::chrono::milliseconds patience);
  // The reader is gone.
  void abandon() { gone_ = true; }
  bool abandoned() const { return gone_; }

 private:
  struct Item {
    GenerationEvent event;
    size_t bytes;
  };
  void push(GenerationEvent event, size_t bytes);

  std::atomic<bool> gone_ = false;
  std::atomic<bool> lost_ = false;  // an event
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Item> events_;
  size_t bytes_ = 0;
};

}  // namespace pith
