// The fields that requests of several endpoints share: what is generated, and how.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "serve/api_error.h"
#include "serve/field_reader.h"
#include "serve/service.h"

namespace pith {

// What one request asks of the service, and how it wants its answer.
struct GenerationFields {
  GenerationRequest generation;
  bool has_seed = false;    // the client gave one
  double budget_share = 1;  // of a vote's default budget
  bool stream = false;
  bool include_usage = false;     // in a stream
  bool include_branches = false;  // the branches of a vote beside its answer
};

// The body of a request: a JSON object within the depth of parse_json().
ApiResult<nlohmann::json> parse_body(std::string_view body);

// Each reads some fields over what `fields` has, within the ceilings of `info`. Faults are
// kept by the reader.

// model: this server's, by its name or as "default"; without one, the same.
void read_model(FieldReader& body, const ServiceInfo& info);
// temperature, top_p, top_k, min_p, repetition_penalty, seed.
void read_sampling(FieldReader& body, const ServiceInfo& info, GenerationFields& fields);
// stop: a string or some of them.
void read_stop(FieldReader& body, GenerationFields& fields);
// stream, stream_options.
void read_stream(FieldReader& body, GenerationFields& fields);
// n, and `most_tokens` by the names that the endpoint has for it, the first of them first.
void read_lengths(FieldReader& body, const ServiceInfo& info,
                  std::initializer_list<std::string_view> names, GenerationFields& fields);
// Our own: think, branches, vote, answer, budget, stop_at, include_branches, deadline. After
// read_lengths(): a vote takes its budget from there where `budget` is not given.
void read_reasoning(FieldReader& body, const ServiceInfo& info, GenerationFields& fields);
// OpenAI's effort: "none" and "minimal" do not think; "low", "medium" and "high" do, in votes
// with a quarter, half and all of the default budget. Before read_reasoning(), whose fields
// have the last word.
void read_effort(FieldReader& reader, std::string_view name, GenerationFields& fields);

}  // namespace pith
