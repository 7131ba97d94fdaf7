#include "serve/chat_request.h"

#include "serve/message_fields.h"

namespace pith {
namespace {

using nlohmann::json;

void read_messages(FieldReader& body, std::vector<ChatMessage>& messages) {
  const json* array = body.array("messages", kMostMessages);
  if (array == nullptr || array->empty()) {
    return body.refuse("messages", "must have one or more messages", "missing_required_parameter");
  }
  for (size_t i = 0; i < array->size(); ++i) {
    const std::string path = fmt::format("messages[{}]", i);
    if (!(*array)[i].is_object()) return body.refuse(path, "must be an object", "invalid_type");
    FieldReader reader((*array)[i], body.fault(), path);
    std::optional<ChatMessage> message = read_message(reader, i, {"text"});
    if (!message) return;
    messages.push_back(std::move(*message));
  }
}

void read_chat_logprobs(FieldReader& body, GenerationRequest& generation) {
  const bool wanted = body.boolean("logprobs").value_or(false);
  const auto top = body.integer("top_logprobs", 0, kMostTopLogProbabilities);
  if (wanted) generation.top_log_probabilities = static_cast<int32_t>(top.value_or(0));
  if (!wanted && top.value_or(0) > 0) body.refuse("top_logprobs", "needs 'logprobs': true");
}

// What this server does not do: refused where a client counts on it.
void refuse_chat_extras(FieldReader& body) {
  for (const std::string_view name : {"tools", "functions"}) {
    const json* tools = body.array(name, SIZE_MAX);
    if (tools != nullptr && !tools->empty()) {
      body.unsupported(name, "is not supported: the models here call no tools");
    }
  }
  if (const json* format = body.object("response_format")) {
    FieldReader reader(*format, body.fault(), "response_format");
    if (reader.string("type").value_or("text") != "text") {
      reader.refuse("type", "must be text", "unsupported_value");
    }
  }
  if (const json* modalities = body.array("modalities", 16)) {
    if (*modalities != json::array({"text"})) {
      body.refuse("modalities", "must be [\"text\"]", "unsupported_value");
    }
  }
  body.unsupported("audio", "is not supported");
}

}  // namespace

ApiResult<GenerationFields> parse_chat_request(std::string_view text, const ServiceInfo& info) {
  const ApiResult<json> object = parse_body(text);
  if (!object) return tl::unexpected(object.error());
  std::optional<ApiError> fault;
  FieldReader body(*object, fault);
  GenerationFields fields;
  read_model(body, info);
  read_messages(body, fields.generation.messages);
  read_sampling(body, info, fields);
  read_lengths(body, info, {"max_completion_tokens", "max_tokens"}, fields);
  read_stop(body, fields);
  read_chat_logprobs(body, fields.generation);
  read_stream(body, fields);
  read_effort(body, "reasoning_effort", fields);
  read_reasoning(body, info, fields);
  refuse_chat_extras(body);
  if (fault) return tl::unexpected(std::move(*fault));
  return fields;
}

}  // namespace pith
