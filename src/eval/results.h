// What a run found out, question by question: what reports are made from, and what
// shards are merged and runs are compared by.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "eval/rollout.h"
#include "reason/answer.h"
#include "reason/branch.h"

namespace pith {

struct SampleResult {
  std::string answer;  // empty: none was found
  bool correct = false;
  int32_t tokens = 0;
  double score = 0;  // geometric mean of its tokens' probabilities, above 0 and at most 1
  FinishReason finish_reason = FinishReason::stop;
  // What it weighs in votes, 0 to 1; none where its run did not say.
  std::optional<double> confidence = std::nullopt;      // BranchConfidence::weight()
  std::optional<double> verifier_score = std::nullopt;  // of a pack's verifier
  // Whether it reasoned, and the probability that a pack's switcher gave that it should.
  bool thinking = true;
  std::optional<double> think_probability = std::nullopt;

  bool truncated() const { return finish_reason != FinishReason::stop; }
};

struct QuestionResult {
  int32_t index = 0;
  std::string id;
  std::string gold;
  AnswerKind kind = AnswerKind::number;
  int32_t prompt_tokens = 0;
  std::vector<SampleResult> samples;
  std::optional<SampleResult> greedy;
};

struct EvalRun {
  std::string task;
  std::string data;                 // the file's name
  std::string model;                // as the user named it
  nlohmann::ordered_json settings;  // what every sample depends on, see sample_settings()
  int32_t samples = 0;              // a question
  bool greedy = false;              // each question has a greedy sample too
  int32_t limit = 0;                // questions that were asked for, of all shards; 0: all
  Shard shard;
  double seconds = 0;  // of drawing the samples
  std::vector<QuestionResult> questions;
};

nlohmann::ordered_json to_json(const SampleResult& sample);
nlohmann::ordered_json to_json(const EvalRun& run);

// What to_json() wrote. Errors: corrupt, with `path`.
Result<EvalRun> run_from_json(const nlohmann::ordered_json& json, const std::string& path);

// An entry of a run's log (docs/eval.md). Errors: corrupt, with `path`.
struct LoggedSample {
  SampleKey key;
  int32_t prompt_tokens = 0;
  double at_s = 0;  // seconds of the run until then
  SampleResult result;
};
Result<SampleKey> key_from_json(const nlohmann::ordered_json& entry, const std::string& path);
Result<LoggedSample> logged_sample_from_json(const nlohmann::ordered_json& entry,
                                             const std::string& path);

// One run of all shards, which must be complete. Seconds are added up. Errors: usage
// (shards of different runs, with what differs; a shard that is missing or there twice).
Result<EvalRun> merge_shards(std::vector<EvalRun> shards);

}  // namespace pith
