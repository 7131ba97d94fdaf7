#include "train/written_answers.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/ascii.h"
#include "base/mmap.h"

namespace pith::train {
namespace {

using Json = nlohmann::json;

Result<std::string> text_of(const Json& entry, const char* name) {
  const auto found = entry.find(name);
  if (found == entry.end() || !found->is_string()) {
    return fail(ErrorCode::corrupt, "it has no text \"{}\"", name);
  }
  std::string text(trimmed(found->get_ref<const std::string&>()));
  if (text.empty()) return fail(ErrorCode::corrupt, "its \"{}\" is empty", name);
  return text;
}

Result<LoggedCompletion> read_answer(std::string_view line, const Tokenizer& tokenizer,
                                     const SftPrompt& prompt) {
  const Json entry = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!entry.is_object()) return fail(ErrorCode::corrupt, "it is not a JSON object");
  LoggedCompletion answer;
  PITH_TRY(answer.asked, text_of(entry, "question"));
  PITH_TRY(const std::string response, text_of(entry, "response"));
  PITH_TRY(answer.prompt, prompt(answer.asked, 0));
  answer.completion = tokenizer.encode(response, /*parse_special=*/false);
  answer.completion.push_back(tokenizer.eos());
  answer.correct = true;
  answer.stopped = true;
  return answer;
}

}  // namespace

Result<std::vector<LoggedCompletion>> read_written_answers(const std::string& path,
                                                           const Tokenizer& tokenizer,
                                                           const SftPrompt& prompt) {
  PITH_TRY(const MappedFile file, MappedFile::open(path));
  std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  std::vector<LoggedCompletion> answers;
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (trimmed(line).empty()) continue;
    Result<LoggedCompletion> answer = read_answer(line, tokenizer, prompt);
    if (!answer) {
      return fail(answer.error().code, "{}, line {}: {}", printable(path, 400), number,
                  answer.error().message);
    }
    answers.push_back(std::move(*answer));
  }
  return answers;
}

}  // namespace pith::train
