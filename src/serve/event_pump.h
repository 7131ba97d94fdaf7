// From a service's events to the client of an exchange.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "serve/api_error.h"
#include "serve/event_queue.h"
#include "serve/http_exchange.h"
#include "serve/transcript.h"

namespace pith {

// What a client that hears nothing for so long is sent in a stream, so that nobody between
// takes the connection for dead.
inline constexpr double kSilentSeconds = 10;

struct StreamWriter {
  // What to send for an event that is no error; nothing is fine.
  std::function<std::string(const GenerationEvent&)> on_event;
  // What ends a stream whose work failed.
  std::function<std::string(const Error&)> on_error;
};

// Streams events until the last one. A failure before anything was sent is answered with its
// status. When the client goes away, so does the queue's reader.
void stream_events(HttpExchange& exchange, EventQueue& queue, const StreamWriter& writer);

// All events put together; nothing when the client went away.
std::optional<ApiResult<Transcript>> collect_events(const HttpExchange& exchange,
                                                    EventQueue& queue);

}  // namespace pith
