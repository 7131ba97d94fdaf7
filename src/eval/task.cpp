#include "eval/task.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/ascii.h"

namespace pith {
namespace {

using nlohmann::json;

constexpr int kMostChoices = 10;  // letters A to J, as extract_answer knows them

// One line of the file. Its functions fail with an Error that names the line.
class Line {
 public:
  Line(const std::string& path, size_t number) : path_(path), number_(number) {}

  Status parse(std::string_view text) {
    object_ = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!object_.is_object()) return bad("it is not a JSON object");
    return {};
  }

  template <class... Args>
  tl::unexpected<Error> bad(fmt::format_string<Args...> format, Args&&... args) const {
    return fail(ErrorCode::corrupt, "{}, line {}: {}", printable(path_, 400), number_,
                fmt::format(format, std::forward<Args>(args)...));
  }

  // The member, or null.
  const json& member(const char* name) const {
    static const json kNull;
    const auto found = object_.find(name);
    return found == object_.end() ? kNull : *found;
  }

  // A text that is not blank.
  Result<std::string> text(const char* name) const {
    const json& value = member(name);
    if (!value.is_string()) return bad("it has no text \"{}\"", name);
    std::string text(trimmed(value.get_ref<const std::string&>()));
    if (text.empty()) return bad("its \"{}\" is empty", name);
    return text;
  }

 private:
  const std::string& path_;
  size_t number_;
  json object_;
};

// A text, or a number as it would be written; nothing for a blank text or null.
Result<std::string> free_answer(const Line& line) {
  const json& answer = line.member("answer");
  if (answer.is_null()) return std::string();
  if (answer.is_string()) return std::string(trimmed(answer.get_ref<const std::string&>()));
  if (answer.is_number()) return answer.dump();
  return line.bad("its \"answer\" is neither text nor a number");
}

Status read_gsm8k(const Line& line, Question& question) {
  PITH_TRY(question.text, line.text("question"));
  PITH_TRY(const std::string answer, line.text("answer"));
  const size_t mark = answer.rfind("####");
  if (mark == std::string::npos) return line.bad("its \"answer\" has no \"####\"");
  question.gold = trimmed(std::string_view(answer).substr(mark + 4));
  if (question.gold.empty()) return line.bad("nothing follows \"####\" in its \"answer\"");
  return {};
}

Status read_math(const Line& line, Question& question) {
  const char* name = line.member("problem").is_null() ? "question" : "problem";
  PITH_TRY(question.text, line.text(name));
  PITH_TRY(question.gold, free_answer(line));
  return {};
}

// The choices by letter: "A" to "J".
Result<std::vector<std::string>> read_choices(const Line& line) {
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

Status read_multiple_choice(const Line& line, Question& question) {
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

Status read_yes_no(const Line& line, Question& question) {
  question.kind = AnswerKind::yes_no;
  PITH_TRY(question.text, line.text("question"));
  const auto answer = yes_or_no(line.member("answer"));
  if (!answer) return line.bad("its \"answer\" is none of true, false, \"yes\" and \"no\"");
  question.gold = *answer;
  return {};
}

Status read_own(const Line& line, Question& question) {
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

Status read_task(const Line& line, Task task, Question& question) {
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

std::string id_of(const Line& line, int32_t index) {
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
  size_t number = 0;
  while (!text.empty() && (limit == 0 || questions.size() < static_cast<size_t>(limit))) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view content = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (content.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    Line line(path, number);
    PITH_TRY_VOID(line.parse(content));
    Question question;
    question.index = static_cast<int32_t>(questions.size());
    question.id = id_of(line, question.index);
    PITH_TRY_VOID(read_task(line, task, question));
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
