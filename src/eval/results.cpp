#include "eval/results.h"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "eval/run_log.h"
#include "io/json.h"
#include "io/json_null.h"

namespace pith {
namespace {

using nlohmann::ordered_json;

std::string_view kind_name(AnswerKind kind) {
  return kind == AnswerKind::choice ? "choice" : kind == AnswerKind::yes_no ? "yes-no" : "number";
}

AnswerKind kind_from(std::string_view name) {
  for (const AnswerKind kind : {AnswerKind::choice, AnswerKind::yes_no}) {
    if (name == kind_name(kind)) return kind;
  }
  return AnswerKind::number;
}

FinishReason finish_reason_from(std::string_view name) {
  for (const FinishReason reason : {FinishReason::budget, FinishReason::context}) {
    if (name == finish_reason_name(reason)) return reason;
  }
  return FinishReason::stop;
}

// The readers throw std::exception for what is not there, of another type, or not
// possible.

void require(bool condition, const char* what) {
  if (!condition) throw std::invalid_argument(what);
}

// Absent where an older pith, or a run without a verifier, wrote the sample.
std::optional<double> read_weight(const ordered_json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) return std::nullopt;
  const auto weight = found->get<double>();
  require(weight >= 0 && weight <= 1, "a sample's weight is not from 0 to 1");
  return weight;
}

SampleResult read_sample(const ordered_json& object) {
  SampleResult sample;
  const ordered_json& answer = object.at("answer");
  if (!answer.is_null()) sample.answer = answer.get<std::string>();
  sample.correct = object.at("correct").get<bool>();
  sample.tokens = object.at("tokens").get<int32_t>();
  sample.score = object.at("score").get<double>();
  sample.finish_reason = finish_reason_from(object.at("finish_reason").get<std::string>());
  sample.confidence = read_weight(object, "confidence");
  sample.verifier_score = read_weight(object, "verifier_score");
  sample.thinking = object.value("thinking", true);
  sample.think_probability = read_weight(object, "think_probability");
  require(sample.tokens >= 0, "a sample has a negative number of tokens");
  require(sample.score > 0 && sample.score <= 1, "a sample's score is not from 0 to 1");
  return sample;
}

SampleKey read_key(const ordered_json& entry) {
  return {entry.at("question").get<int32_t>(), entry.at("sample").get<int32_t>()};
}

QuestionResult read_question(const ordered_json& object) {
  QuestionResult question;
  question.index = object.at("question").get<int32_t>();
  question.id = object.at("id").get<std::string>();
  question.gold = object.at("gold").get<std::string>();
  question.kind = kind_from(object.at("kind").get<std::string>());
  question.prompt_tokens = object.at("prompt_tokens").get<int32_t>();
  for (const ordered_json& sample : object.at("samples"))
    question.samples.push_back(read_sample(sample));
  if (object.contains("greedy")) question.greedy = read_sample(object["greedy"]);
  return question;
}

EvalRun read_run(const ordered_json& object) {
  EvalRun run;
  run.task = object.at("task").get<std::string>();
  run.data = object.at("data").get<std::string>();
  run.model = object.at("model").get<std::string>();
  run.settings = object.at("settings");
  run.samples = object.at("samples").get<int32_t>();
  run.greedy = object.at("greedy_sample").get<bool>();
  run.limit = object.at("limit").get<int32_t>();
  run.shard.index = object.at("shard").at("index").get<int32_t>() - 1;
  run.shard.count = object.at("shard").at("count").get<int32_t>();
  run.seconds = object.at("seconds").get<double>();
  require(run.settings.is_object(), "its settings are no object");
  require(run.samples >= 1, "it has no samples");
  require(run.shard.index >= 0 && run.shard.index < run.shard.count, "its shard cannot be");
  for (const ordered_json& question : object.at("results")) {
    run.questions.push_back(read_question(question));
    const QuestionResult& last = run.questions.back();
    require(last.samples.size() == static_cast<size_t>(run.samples) &&
                last.greedy.has_value() == run.greedy,
            "a question has not all samples");
  }
  require(!run.questions.empty(), "it has no questions");
  return run;
}

ordered_json to_json(const QuestionResult& question) {
  ordered_json object = {{"question", question.index},
                         {"id", question.id},
                         {"gold", question.gold},
                         {"kind", kind_name(question.kind)},
                         {"prompt_tokens", question.prompt_tokens},
                         {"samples", ordered_json::array()}};
  for (const SampleResult& sample : question.samples) object["samples"].push_back(to_json(sample));
  if (question.greedy) object["greedy"] = to_json(*question.greedy);
  return object;
}

// What two shards of one run must share.
ordered_json common_part(const EvalRun& run) {
  ordered_json common = run.settings;
  common["samples"] = run.samples;
  common["greedy"] = run.greedy;
  common["limit"] = run.limit;
  common["shards"] = run.shard.count;
  return common;
}

tl::unexpected<Error> bad_entry(const std::string& path, const std::exception& error) {
  return fail(ErrorCode::corrupt, "{} has an entry that is no sample: {}", printable(path, 400),
              printable(error.what()));
}

}  // namespace

ordered_json to_json(const SampleResult& sample) {
  ordered_json object = {{"answer", text_or_null(sample.answer)},
                         {"correct", sample.correct},
                         {"tokens", sample.tokens},
                         {"score", sample.score},
                         {"finish_reason", finish_reason_name(sample.finish_reason)}};
  if (sample.confidence) object["confidence"] = *sample.confidence;
  if (sample.verifier_score) object["verifier_score"] = *sample.verifier_score;
  if (!sample.thinking) object["thinking"] = false;
  if (sample.think_probability) object["think_probability"] = *sample.think_probability;
  return object;
}

ordered_json to_json(const EvalRun& run) {
  ordered_json object = {{"task", run.task},
                         {"data", run.data},
                         {"model", run.model},
                         {"settings", run.settings},
                         {"samples", run.samples},
                         {"greedy_sample", run.greedy},
                         {"limit", run.limit},
                         {"shard", {{"index", run.shard.index + 1}, {"count", run.shard.count}}},
                         {"seconds", run.seconds},
                         {"results", ordered_json::array()}};
  for (const QuestionResult& question : run.questions) {
    object["results"].push_back(to_json(question));
  }
  return object;
}

Result<SampleKey> key_from_json(const ordered_json& entry, const std::string& path) {
  try {
    return read_key(entry);
  } catch (const std::exception& error) {
    return bad_entry(path, error);
  }
}

Result<LoggedSample> logged_sample_from_json(const ordered_json& entry, const std::string& path) {
  try {
    return LoggedSample{read_key(entry), entry.at("prompt_tokens").get<int32_t>(),
                        entry.at("at_s").get<double>(), read_sample(entry)};
  } catch (const std::exception& error) {
    return bad_entry(path, error);
  }
}

Result<EvalRun> run_from_json(const ordered_json& object, const std::string& path) {
  try {
    return read_run(object);
  } catch (const std::exception& error) {
    return fail(ErrorCode::corrupt, "{} was not written by pith eval: {}", printable(path, 400),
                printable(error.what()));
  }
}

Result<EvalRun> merge_shards(std::vector<EvalRun> shards) {
  PITH_CHECK(!shards.empty());
  EvalRun merged = std::move(shards.front());
  std::set<int32_t> seen = {merged.shard.index};
  for (size_t i = 1; i < shards.size(); ++i) {
    EvalRun& shard = shards[i];
    const std::string differences = differing_settings(common_part(merged), common_part(shard));
    if (!differences.empty()) {
      return fail(ErrorCode::usage, "these are shards of different runs (different: {})",
                  differences);
    }
    if (!seen.insert(shard.shard.index).second) {
      return fail(ErrorCode::usage, "shard {}/{} is there twice", shard.shard.index + 1,
                  shard.shard.count);
    }
    merged.seconds += shard.seconds;
    std::move(shard.questions.begin(), shard.questions.end(), std::back_inserter(merged.questions));
  }
  for (int32_t i = 0; i < merged.shard.count; ++i) {
    if (!seen.contains(i)) {
      return fail(ErrorCode::usage, "shard {}/{} is missing", i + 1, merged.shard.count);
    }
  }
  std::sort(merged.questions.begin(), merged.questions.end(),
            [](const QuestionResult& a, const QuestionResult& b) { return a.index < b.index; });
  merged.shard = {};
  return merged;
}

}  // namespace pith
