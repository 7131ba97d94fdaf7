// The parts of answers that several endpoints share. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "serve/service.h"
#include "serve/transcript.h"

namespace pith {

// What an answer says of itself, and how it is to be told.
struct AnswerContext {
  std::string id;
  int64_t created_s = 0;  // Unix time
  std::string model;
  uint64_t seed = 0;
  bool log_probabilities = false;
  bool vote = false;              // the texts are branches of one
  bool include_branches = false;  // of a vote
  bool include_usage = false;     // in a stream of chunks
};

// OpenAI's word: "stop" or "length".
std::string_view finish_reason_word(FinishReason reason);
// Of the whole answer of a vote: "stop" when there is one.
std::string_view finish_reason_word(const VoteResult& vote);

// {"prompt_tokens", "completion_tokens", "total_tokens", their details}.
nlohmann::ordered_json usage_json(const GenerationEnd& end);

// [{"token", "logprob", "bytes", "top_logprobs"}], as chats and responses have it.
nlohmann::ordered_json log_probabilities_json(std::span<const TokenRecord> tokens);

// The object "pith": what no other server tells (docs/serving.md).
nlohmann::ordered_json pith_json(const AnswerContext& context, const Transcript& transcript);

// How a branch of a vote ended: {"branch", "answer", "finish_reason", "tokens", ..}.
nlohmann::ordered_json branch_end_json(const TextEnd& end);

// The text that an answer consists of: of a vote the one that speaks for the winner.
const WrittenText& spoken_text(const Transcript& transcript);

}  // namespace pith
