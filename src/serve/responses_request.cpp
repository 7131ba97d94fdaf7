#include "serve/responses_request.h"

#include <algorithm>

#include "serve/message_fields.h"

namespace pith {
namespace {

using nlohmann::json;

constexpr size_t kMostIdBytes = 128;
// OpenAI's limits of metadata.
constexpr size_t kMostMetadata = 16;
constexpr size_t kMostMetadataKey = 64;
constexpr size_t kMostMetadataValue = 512;

// `before`: messages that stand before them.
void read_items(FieldReader& body, const json& items, size_t before,
                std::vector<ChatMessage>& messages) {
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string path = fmt::format("input[{}]", i);
    if (!items[i].is_object()) return body.refuse(path, "must be an object", "invalid_type");
    FieldReader item(items[i], body.fault(), path);
    const std::string type = item.string("type").value_or("message");
    if (type == "reasoning") continue;  // of an earlier answer: models do not read it again
    if (type != "message") {
      return item.refuse("type", "must be message: nothing else is understood here",
                         "unsupported_value");
    }
    std::optional<ChatMessage> message =
        read_message(item, before + messages.size(), {"input_text", "output_text", "text"});
    if (!message) return;
    messages.push_back(std::move(*message));
  }
}

void read_input(FieldReader& body, const ResponsesRequest& request,
                std::vector<ChatMessage>& messages) {
  const json* field = body.find("input");
  if (field != nullptr && field->is_string()) {
    messages.push_back({Role::user, field->get<std::string>()});
  } else if (const json* items = body.array("input", kMostMessages)) {
    // Instructions are a system message, and earlier turns have come before.
    const bool first = request.instructions.empty() && request.previous.empty();
    read_items(body, *items, first ? 0 : 1, messages);
  }
  if (messages.empty()) {
    body.refuse("input", "must be a text or messages", "missing_required_parameter");
  }
}

void read_metadata(FieldReader& body, nlohmann::ordered_json& metadata) {
  const json* object = body.object("metadata");
  if (object == nullptr) return;
  bool good = object->size() <= kMostMetadata;
  for (const auto& [key, value] : object->items()) {
    good = good && key.size() <= kMostMetadataKey && value.is_string() &&
           value.get_ref<const std::string&>().size() <= kMostMetadataValue;
    if (good) metadata[key] = value.get<std::string>();
  }
  if (good) return;
  body.refuse("metadata", fmt::format("must have at most {} texts of {} bytes under keys of {}",
                                      kMostMetadata, kMostMetadataValue, kMostMetadataKey));
}

void read_response_logprobs(FieldReader& body, GenerationRequest& generation) {
  const auto top = body.integer("top_logprobs", 0, kMostTopLogProbabilities);
  const json* include = body.array("include", 16);
  const bool wanted =
      include != nullptr &&
      std::find(include->begin(), include->end(), "message.output_text.logprobs") != include->end();
  if (wanted || top.value_or(0) > 0) {
    generation.top_log_probabilities = static_cast<int32_t>(top.value_or(0));
  }
}

void read_reasoning_object(FieldReader& body, ResponsesRequest& request) {
  const json* reasoning = body.object("reasoning");
  if (reasoning == nullptr) return;
  FieldReader reader(*reasoning, body.fault(), "reasoning");
  read_effort(reader, "effort", request.fields);
  request.effort = reader.string("effort").value_or("");
}

void refuse_response_extras(FieldReader& body) {
  const json* tools = body.array("tools", SIZE_MAX);
  if (tools != nullptr && !tools->empty()) {
    body.unsupported("tools", "is not supported: the models here call no tools");
  }
  if (body.boolean("background").value_or(false)) {
    body.unsupported("background", "is not supported");
  }
  body.unsupported("conversation", "is not supported: use 'previous_response_id'");
  body.unsupported("prompt", "is not supported: use 'input' and 'instructions'");
  const json* text = body.object("text");
  if (text == nullptr) return;
  FieldReader reader(*text, body.fault(), "text");
  const json* format = reader.object("format");
  if (format == nullptr) return;
  FieldReader format_reader(*format, body.fault(), "text.format");
  if (format_reader.string("type").value_or("text") != "text") {
    format_reader.refuse("type", "must be text", "unsupported_value");
  }
}

}  // namespace

ApiResult<ResponsesRequest> parse_responses_request(std::string_view text,
                                                    const ServiceInfo& info) {
  const ApiResult<json> object = parse_body(text);
  if (!object) return tl::unexpected(object.error());
  std::optional<ApiError> fault;
  FieldReader body(*object, fault);
  ResponsesRequest request;
  GenerationFields& fields = request.fields;
  read_model(body, info);
  request.instructions = body.string("instructions").value_or("");
  request.previous = body.string("previous_response_id", kMostIdBytes).value_or("");
  request.store = body.boolean("store").value_or(true);
  read_input(body, request, fields.generation.messages);
  read_sampling(body, info, fields);
  read_lengths(body, info, {"max_output_tokens"}, fields);
  fields.generation.choices = 1;  // the API has no `n`
  read_response_logprobs(body, fields.generation);
  fields.stream = body.boolean("stream").value_or(false);
  read_metadata(body, request.metadata);
  read_reasoning_object(body, request);
  read_reasoning(body, info, fields);
  refuse_response_extras(body);
  if (fault) return tl::unexpected(std::move(*fault));
  return request;
}

std::vector<ChatMessage> conversation_of(const ResponsesRequest& request,
                                         const std::vector<ChatMessage>& before) {
  std::vector<ChatMessage> all;
  if (!request.instructions.empty()) all.push_back({Role::system, request.instructions});
  // A system message that began the earlier turns gives way to the instructions.
  const bool replaced = !all.empty() && !before.empty() && before.front().role == Role::system;
  all.insert(all.end(), before.begin() + (replaced ? 1 : 0), before.end());
  const auto& own = request.fields.generation.messages;
  all.insert(all.end(), own.begin(), own.end());
  return all;
}

}  // namespace pith
