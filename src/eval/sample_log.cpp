#include "eval/sample_log.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/mmap.h"

namespace pith {
namespace {

using Json = nlohmann::json;

Result<std::vector<TokenId>> tokens_of(const Json& entry, const char* name, int32_t vocabulary) {
  const auto list = entry.find(name);
  if (list == entry.end() || !list->is_array()) {
    return fail(ErrorCode::corrupt, "it has no list {}; is it what 'pith sample' wrote?", name);
  }
  std::vector<TokenId> tokens;
  for (const Json& item : *list) {
    if (!item.is_number_integer() || item < 0 || item >= vocabulary) {
      return fail(ErrorCode::corrupt, "{} has what is no token of this model: {}", name,
                  printable(item.dump(-1, ' ', false, Json::error_handler_t::replace), 40));
    }
    tokens.push_back(item.get<TokenId>());
  }
  return tokens;
}

// -1 where it is not said.
int32_t number_of(const Json& entry, const char* name) {
  const auto found = entry.find(name);
  const bool good = found != entry.end() && found->is_number_integer() && *found >= 0 &&
                    *found <= std::numeric_limits<int32_t>::max();
  return good ? found->get<int32_t>() : -1;
}

double mean_of_list(const Json& entry, const char* name) {
  const auto list = entry.find(name);
  if (list == entry.end() || !list->is_array() || list->empty()) return 0;
  double sum = 0;
  for (const Json& item : *list) sum += item.is_number() ? item.get<double>() : 0;
  return sum / static_cast<double>(list->size());
}

Result<LoggedCompletion> read_line(const Json& entry, int32_t vocabulary) {
  if (!entry.is_object()) return fail(ErrorCode::corrupt, "it is not a JSON object");
  LoggedCompletion sample;
  PITH_TRY(sample.prompt, tokens_of(entry, "prompt_ids", vocabulary));
  PITH_TRY(sample.completion, tokens_of(entry, "completion_ids", vocabulary));
  sample.question = number_of(entry, "question");
  sample.sample = number_of(entry, "sample");
  const Json asked = entry.value("asked", Json());
  if (asked.is_string()) sample.asked = asked.get<std::string>();
  const Json answer = entry.value("answer", Json());
  if (answer.is_string()) sample.answer = answer.get<std::string>();
  const Json correct = entry.value("correct", Json());
  if (correct.is_boolean()) sample.correct = correct.get<bool>();
  sample.stopped = entry.value("finish_reason", Json()) == "stop";
  sample.mean_log_probability = mean_of_list(entry, "log_probabilities");
  return sample;
}

Status hand_over(const Json& entry, int32_t vocabulary, SampleLogReader& reader) {
  if (entry.is_object() && entry.contains("run")) return reader.on_run(entry["run"]);
  PITH_TRY(LoggedCompletion sample, read_line(entry, vocabulary));
  return reader.on_sample(std::move(sample));
}

}  // namespace

Status read_sample_log(const std::string& path, int32_t vocabulary, SampleLogReader& reader) {
  PITH_TRY(const MappedFile file, MappedFile::open(path));
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  size_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    const Json entry = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (entry.is_discarded() && end == text.size()) break;
    if (const Status status = hand_over(entry, vocabulary, reader); !status) {
      return fail(status.error().code, "{}, line {}: {}", printable(path, 400), number,
                  status.error().message);
    }
  }
  return {};
}

}  // namespace pith
