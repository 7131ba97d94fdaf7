#include "train/written_answers.h"

#include <optional>
#include <string_view>
#include <utility>

#include "base/mmap.h"
#include "io/json_lines.h"

namespace pith::train {
namespace {

Result<LoggedCompletion> read_answer(const JsonLine& line, const Tokenizer& tokenizer,
                                     const SftPrompt& prompt) {
  LoggedCompletion answer;
  PITH_TRY(answer.asked, line.text("question"));
  PITH_TRY(const std::string response, line.text("response"));
  Result<std::vector<TokenId>> asked = prompt(answer.asked, 0);
  if (!asked) return line.fail(asked.error().code, "{}", asked.error().message);
  answer.prompt = std::move(*asked);
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
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  std::vector<LoggedCompletion> answers;
  for (JsonLines lines(text, path);;) {
    PITH_TRY(const std::optional<JsonLine> line, lines.next());
    if (!line) return answers;
    PITH_TRY(LoggedCompletion answer, read_answer(*line, tokenizer, prompt));
    answers.push_back(std::move(answer));
  }
}

}  // namespace pith::train
