// The endpoints that generate text.
#include <fmt/format.h>

#include <ctime>
#include <memory>
#include <utility>

#include "serve/api.h"
#include "serve/chat_answer.h"
#include "serve/chat_request.h"
#include "serve/completion_answer.h"
#include "serve/completion_request.h"
#include "serve/event_pump.h"
#include "serve/event_queue.h"
#include "serve/json_text.h"
#include "serve/random_id.h"
#include "serve/responses_answer.h"

namespace pith {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kResponsesPath = "/v1/responses/";

std::string_view response_id(const HttpExchange& exchange) {
  return std::string_view(exchange.request().path).substr(kResponsesPath.size());
}

// Chooses what the client has left open, too.
AnswerContext answer_context(std::string_view prefix, const ServiceInfo& info,
                             GenerationFields& fields) {
  SamplingOptions& sampling = fields.generation.sampling;
  if (!fields.has_seed) sampling.seed = random_bits() >> 11;  // 53 bits: JavaScript reads no more
  AnswerContext context;
  context.id = random_id(prefix);
  context.created_s = std::time(nullptr);
  context.model = info.model;
  context.seed = sampling.seed;
  context.log_probabilities = fields.generation.top_log_probabilities.has_value();
  context.vote = fields.generation.vote.has_value();
  context.include_branches = fields.include_branches;
  context.include_usage = fields.include_usage;
  return context;
}

// The queue that will be told; null when the request was refused, which is answered then.
// `prompt` as in refusal_error().
std::shared_ptr<EventQueue> submit(Service& service, GenerationRequest request,
                                   std::string_view prompt, std::string client,
                                   HttpExchange& exchange) {
  request.client = std::move(client);
  auto queue = std::make_shared<EventQueue>();
  const Submission taken = service.submit(std::move(request), queue);
  if (taken) return queue;
  exchange.respond(error_response(refusal_error(taken.error(), prompt)));
  return nullptr;
}

// `Stream` and `whole` are the two ways of one endpoint to tell of its events.
template <class Stream>
void answer(HttpExchange& exchange, EventQueue& queue, const AnswerContext& context, bool stream,
            Json (*whole)(const AnswerContext&, const Transcript&)) {
  if (stream) {
    Stream writer(context);
    return stream_events(
        exchange, queue,
        {[&](const GenerationEvent& event) { return writer.on(event); },
         [](const Error& error) { return sse_event(error_json(failure_error(error))); }});
  }
  const std::optional<ApiResult<Transcript>> transcript = collect_events(exchange, queue);
  if (!transcript) return exchange.close_after();
  if (!*transcript) return exchange.respond(error_response(transcript->error()));
  HttpResponse response;
  response.body = json_text(whole(context, **transcript)) + "\n";
  exchange.respond(response);
}

ApiError no_response(std::string_view id) {
  ApiError error;
  error.status = 404;
  error.code = "response_not_found";
  error.message =
      fmt::format("there is no response '{}': it was never stored, or is no longer", printable(id));
  return error;
}

}  // namespace

void Api::post_chat(HttpExchange& exchange, const Caller& caller) {
  ApiResult<GenerationFields> fields = parse_chat_request(exchange.request().body, service_.info());
  if (!fields) return exchange.respond(error_response(fields.error()));
  const AnswerContext context = answer_context("chatcmpl-", service_.info(), *fields);
  const auto queue =
      submit(service_, std::move(fields->generation), "messages", caller.client, exchange);
  if (queue) answer<ChatStream>(exchange, *queue, context, fields->stream, chat_completion);
}

void Api::post_completion(HttpExchange& exchange, const Caller& caller) {
  ApiResult<GenerationFields> fields =
      parse_completion_request(exchange.request().body, service_.info());
  if (!fields) return exchange.respond(error_response(fields.error()));
  const AnswerContext context = answer_context("cmpl-", service_.info(), *fields);
  const auto queue =
      submit(service_, std::move(fields->generation), "prompt", caller.client, exchange);
  if (queue) answer<CompletionStream>(exchange, *queue, context, fields->stream, completion);
}

ApiResult<std::vector<ChatMessage>> Api::earlier_messages(const ResponsesRequest& request,
                                                          const Caller& caller) const {
  if (request.previous.empty()) return std::vector<ChatMessage>();
  const auto stored = store_.find(request.previous, caller.owner);
  if (stored) return stored->messages;
  ApiError error = no_response(request.previous);
  error.status = 400;  // as OpenAI answers here
  error.code = "previous_response_not_found";
  error.param = "previous_response_id";
  return tl::unexpected(std::move(error));
}

void Api::post_response(HttpExchange& exchange, const Caller& caller) {
  ApiResult<ResponsesRequest> request =
      parse_responses_request(exchange.request().body, service_.info());
  if (!request) return exchange.respond(error_response(request.error()));
  ApiResult<std::vector<ChatMessage>> turns = earlier_messages(*request, caller);
  if (!turns) return exchange.respond(error_response(turns.error()));

  GenerationRequest& generation = request->fields.generation;
  std::vector<ChatMessage> own = generation.messages;
  generation.messages = conversation_of(*request, *turns);
  turns->insert(turns->end(), std::make_move_iterator(own.begin()),
                std::make_move_iterator(own.end()));
  const ResponsesContext context(answer_context("resp_", service_.info(), request->fields),
                                 *request);
  const auto queue = submit(service_, std::move(generation), "input", caller.client, exchange);
  if (!queue) return;

  const auto keep = [&](const Json& response, const Transcript& transcript) {
    if (!context.store) return;
    turns->push_back({Role::assistant, spoken_text(transcript).content});
    store_.put({context.answer.id, caller.owner, json_text(response), std::move(*turns)});
  };
  if (request->fields.stream) {
    ResponsesStream stream(context);
    const auto on_event = [&](const GenerationEvent& event) {
      std::string out = stream.on(event);
      // Before the client hears of it, and may ask for it.
      if (std::holds_alternative<GenerationEnd>(event)) {
        keep(stream.response(), stream.transcript());
      }
      return out;
    };
    return stream_events(exchange, *queue,
                         {on_event, [&](const Error& error) { return stream.on_error(error); }});
  }
  const std::optional<ApiResult<Transcript>> transcript = collect_events(exchange, *queue);
  if (!transcript) return exchange.close_after();
  if (!*transcript) return exchange.respond(error_response(transcript->error()));
  const Json response = response_object(context, **transcript);
  keep(response, **transcript);
  HttpResponse answer;
  answer.body = json_text(response) + "\n";
  exchange.respond(answer);
}

void Api::get_response(HttpExchange& exchange, const Caller& caller) {
  const auto stored = store_.find(response_id(exchange), caller.owner);
  if (!stored) return exchange.respond(error_response(no_response(response_id(exchange))));
  HttpResponse response;
  response.body = stored->json + "\n";
  exchange.respond(response);
}

void Api::delete_response(HttpExchange& exchange, const Caller& caller) {
  const std::string id(response_id(exchange));
  if (!store_.remove(id, caller.owner)) {
    return exchange.respond(error_response(no_response(id)));
  }
  HttpResponse response;
  response.body = json_text({{"id", id}, {"object", "response"}, {"deleted", true}}) + "\n";
  exchange.respond(response);
}

}  // namespace pith
