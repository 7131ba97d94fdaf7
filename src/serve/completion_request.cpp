#include "serve/completion_request.h"

namespace pith {
namespace {

using nlohmann::json;

constexpr int64_t kMostLogProbabilities = 5;  // as OpenAI has it here

void read_prompt(FieldReader& body, std::string& prompt) {
  const json* field = body.find("prompt");
  const json* text = field;
  if (field != nullptr && field->is_array()) {
    if (field->size() != 1 || !(*field)[0].is_string()) {
      return body.refuse("prompt", "must be one string: several, and tokens, are not supported",
                         "unsupported_value");
    }
    text = &(*field)[0];
  }
  if (text == nullptr) return body.refuse("prompt", "is missing", "missing_required_parameter");
  if (!text->is_string()) return body.refuse("prompt", "must be a string", "invalid_type");
  prompt = text->get<std::string>();
  if (prompt.empty()) body.refuse("prompt", "is empty");
}

void refuse_completion_extras(FieldReader& body, const GenerationRequest& generation) {
  if (body.boolean("echo").value_or(false)) {
    body.unsupported("echo", "is not supported");
  }
  if (!body.string("suffix").value_or("").empty()) {
    body.unsupported("suffix", "is not supported");
  }
  const auto best_of = body.integer("best_of", 1, INT32_MAX);
  if (best_of && *best_of != generation.choices) {
    body.refuse("best_of", "must be 'n' if it is given", "unsupported_value");
  }
  for (const std::string_view name : {"branches", "vote", "think"}) {
    body.unsupported(name, "is for conversations: use /v1/chat/completions");
  }
}

}  // namespace

ApiResult<GenerationFields> parse_completion_request(std::string_view text,
                                                     const ServiceInfo& info) {
  const ApiResult<json> object = parse_body(text);
  if (!object) return tl::unexpected(object.error());
  std::optional<ApiError> fault;
  FieldReader body(*object, fault);
  GenerationFields fields;
  read_model(body, info);
  read_prompt(body, fields.generation.text);
  read_sampling(body, info, fields);
  read_lengths(body, info, {"max_tokens"}, fields);
  read_stop(body, fields);
  if (const auto count = body.integer("logprobs", 0, kMostLogProbabilities)) {
    fields.generation.top_log_probabilities = static_cast<int32_t>(*count);
  }
  read_stream(body, fields);
  refuse_completion_extras(body, fields.generation);
  read_reasoning(body, info, fields);
  if (fault) return tl::unexpected(std::move(*fault));
  return fields;
}

}  // namespace pith
