#include "eval/task.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "base/ascii.h"
#include "io/json_lines.h"

namespace pith {
namespace {

using nlohmann::json;

constexpr int kMostChoices = 10;  // letters A to J, as extract_answer knows them

// A text, or a number as it would be written; nothing for a blank text or null.
Result<std::string> free_answer(const JsonLine& line) {
  const json& answer = line.member("answer");
  if (answer.is_null()) return std::string();
  if (answer.is_string()) return std::string(trimmed(answer.get_ref<const std::string&>()));
  if (answer.is_number()) return answer.dump();
  return line.bad("its \"answer\" is neither text nor a number");
}

Status read_gsm8k(const JsonLine& line, Question& question) {
  PITH_TRY(question.text, line.text("question"));
  PITH_TRY(const std::string answer, line.text("answer"));
  const size_t mark = answer.rfind("####");
  if (mark == std::string::npos) return line.bad("its \"answer\" has no \"####\"");
  question.gold = trimmed(std::string_view(answer).substr(mark + 4));
  if (question.gold.empty()) return line.bad("nothing follows \"####\" in its \"answer\"");
  return {};
}

Status read_math(const JsonLine& line, Question& question) {
  const char* name = line.member("problem").is_null() ? "question" : "problem";
  PITH_TRY(question.text, line.text(name));
  PITH_TRY(question.gold, free_answer(line));
  return {};
}

// The choices by letter: "A" to "J".
Result<std::vector<std::string>> read_choices(const JsonLine& line) {
  const json& choices = line.member("choices");
  if (!choices.is_array() && !choices.is_object()) return line.bad("it has no \"choices\"");
  if (choices.size() < 2 || choices.size() > kMostChoices) {
    return line.bad("it has {} choices: 2 to {} can be", choices.size(), kMostChoices);
  }
  std::vector<std::string> texts;
  for (const auto& [key, value] : choices.items()) {
    const std::string letter(1, static_cast<char>('A' + texts.size()));
    if (choices.is_object() && key != letter) {
      return line.bad("its choices are not lettered A, B and so on");
    }
    if (!value.is_string()) return line.bad("one of its choices is no text");
    texts.emplace_back(trimmed(value.get_ref<const std::string&>()));
  }
  return texts;
}

Status read_multiple_choice(const JsonLine& line, Question& question) {
  question.kind = AnswerKind::choice;
  PITH_TRY(question.text, line.text("question"));
  PITH_TRY(const std::vector<std::string> choices, read_choices(line));
  question.text += "\n";
  for (size_t i = 0; i < choices.size(); ++i) {
    question.text += fmt::format("\n{}. {}", static_cast<char>('A' + i), choices[i]);
  }
  const json& answer = line.member("answer");
  size_t index = choices.size();
  if (answer.is_number_unsigned()) index = answer.get<size_t>();
  if (answer.is_string()) {
    const std::string letter(trimmed(answer.get_ref<const std::string&>()));
    if (letter.size() == 1 && letter[0] >= 'A') index = static_cast<size_t>(letter[0] - 'A');
  }
  if (index >= choices.size()) {
    return line.bad("its \"answer\" is neither the letter nor the number of a choice");
  }
  question.gold = std::string(1, static_cast<char>('A' + index));
  return {};
}

std::optional<std::string> yes_or_no(const json& answer) {
  if (answer.is_boolean()) return answer.get<bool>() ? "Yes" : "No";
  if (!answer.is_string()) return std::nullopt;
  const std::string word =
      canonical_answer(answer.get_ref<const std::string&>(), AnswerKind::yes_no);
  if (word != "yes" && word != "no") return std::nullopt;
  return word == "yes" ? "Yes" : "No";
}

Status read_yes_no(const JsonLine& line, Question& question) {
  question.kind = AnswerKind::yes_no;
  PITH_TRY(question.text, line.text("question"));
  const auto answer = yes_or_no(line.member("answer"));
  if (!answer) return line.bad("its \"answer\" is none of true, false, \"yes\" and \"no\"");
  question.gold = *answer;
  return {};
}

Status read_own(const JsonLine& line, Question& question) {
  PITH_TRY(question.text, line.text("question"));
  const json& kind = line.member("kind");
  if (kind == "choice") {
    question.kind = AnswerKind::choice;
  } else if (kind == "yes-no") {
    question.kind = AnswerKind::yes_no;
  } else if (!kind.is_null() && kind != "number") {
    return line.bad("its \"kind\" is none of \"number\", \"choice\" and \"yes-no\"");
  }
  if (question.kind == AnswerKind::yes_no && !line.member("answer").is_null()) {
    return read_yes_no(line, question);
  }
  PITH_TRY(question.gold, free_answer(line));
  return {};
}

Status read_task(const JsonLine& line, Task task, Question& question) {
  switch (task) {
    case Task::gsm8k:
      return read_gsm8k(line, question);
    case Task::math:
      return read_math(line, question);
    case Task::multiple_choice:
      return read_multiple_choice(line, question);
    case Task::yes_no:
      return read_yes_no(line, question);
    case Task::own:
      break;
  }
  return read_own(line, question);
}

std::string id_of(const JsonLine& line, int32_t index) {
  for (const char* name : {"id", "unique_id"}) {
    const json& id = line.member(name);
    if (id.is_string()) return id.get<std::string>();
    if (id.is_number_integer()) return id.dump();
  }
  return std::to_string(index);
}

}  // namespace

std::string_view task_name(Task task) {
  switch (task) {
    case Task::gsm8k:
      return "gsm8k";
    case Task::math:
      return "math";
    case Task::multiple_choice:
      return "multiple-choice";
    case Task::yes_no:
      return "yes-no";
    case Task::own:
      break;
  }
  return "jsonl";
}

Result<std::vector<Question>> parse_questions(std::string_view text, const std::string& path,
                                              Task task, int32_t limit) {
  std::vector<Question> questions;
  JsonLines lines(text, path);
  while (limit == 0 || questions.size() < static_cast<size_t>(limit)) {
    PITH_TRY(const std::optional<JsonLine> line, lines.next());
    if (!line) break;
    Question question;
    question.index = static_cast<int32_t>(questions.size());
    question.id = id_of(*line, question.index);
    PITH_TRY_VOID(read_task(*line, task, question));
    questions.push_back(std::move(question));
  }
  if (questions.empty()) {
    return fail(ErrorCode::usage, "there are no questions in {}", printable(path, 400));
  }
  return questions;
}

bool is_correct(const Question& question, std::string_view answer) {
  return !answer.empty() && equivalent_answers(question.gold, answer, question.kind);
}

}  // namespace pith
