#include "serve/event_pump.h"

#include <chrono>

#include "base/clock.h"
#include "serve/json_text.h"

namespace pith {
namespace {

// How often somebody looks whether the client is still there.
constexpr std::chrono::milliseconds kLook{100};

// Takes events from the queue as long as the client is there.
class EventReader {
 public:
  EventReader(const HttpExchange& exchange, EventQueue& queue)
      : exchange_(exchange), queue_(queue) {}

  // The next event; nothing when the client went away. `on_silence` is called after each
  // kSilentSeconds without one.
  std::optional<GenerationEvent> next(const std::function<void()>& on_silence) {
    Clock::time_point last = Clock::now();
    while (true) {
      std::optional<GenerationEvent> event = queue_.next(kLook);
      if (client_gone()) return std::nullopt;
      if (event) return event;
      if (seconds_since(last) < kSilentSeconds) continue;
      on_silence();
      last = Clock::now();
    }
  }

 private:
  // Looks now and then: events may come faster than that is worth.
  bool client_gone() {
    if (queue_.abandoned()) return true;
    if (Clock::now() - looked_ < kLook) return false;
    looked_ = Clock::now();
    if (!exchange_.client_gone()) return false;
    queue_.abandon();
    return true;
  }

  const HttpExchange& exchange_;
  EventQueue& queue_;
  Clock::time_point looked_ = Clock::now();
};

HttpResponse stream_head() {
  HttpResponse head;
  head.content_type = "text/event-stream";
  head.headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
  return head;
}

}  // namespace

void stream_events(HttpExchange& exchange, EventQueue& queue, const StreamWriter& writer) {
  const auto write = [&](const std::string& text) {
    if (!exchange.begun()) exchange.begin(stream_head());
    if (!exchange.write(text)) queue.abandon();
  };
  EventReader events(exchange, queue);
  while (true) {
    const std::optional<GenerationEvent> event =
        events.next([&] { write(std::string(kSseKeepAlive)); });
    if (!event) return exchange.close_after();
    if (const auto* error = std::get_if<Error>(&*event)) {
      if (exchange.begun()) return write(writer.on_error(*error));
      return exchange.respond(error_response(failure_error(*error)));
    }
    write(writer.on_event(*event));
    if (std::holds_alternative<GenerationEnd>(*event)) return;
  }
}

std::optional<ApiResult<Transcript>> collect_events(const HttpExchange& exchange,
                                                    EventQueue& queue) {
  Transcript transcript;
  EventReader events(exchange, queue);
  while (true) {
    const std::optional<GenerationEvent> event = events.next([] {});
    if (!event) return std::nullopt;
    if (const auto* error = std::get_if<Error>(&*event)) {
      return tl::unexpected(failure_error(*error));
    }
    transcript.add(*event);
    if (std::holds_alternative<GenerationEnd>(*event)) return transcript;
  }
}

}  // namespace pith
