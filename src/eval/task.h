// Questions with known answers, read from the files of the usual benchmarks.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "reason/answer.h"

namespace pith {

enum class Task {
  gsm8k,            // "question", "answer" with the number behind "####"
  math,             // "problem" or "question", "answer": text or a number
  multiple_choice,  // "question", "choices": list or object by letter, "answer": index or letter
  yes_no,           // "question", "answer": true, false, "yes" or "no"
  own,              // "question", "answer", and "kind" where it is no number; all but the first
                    // may be missing
};

inline constexpr std::array kTasks = {Task::gsm8k, Task::math, Task::multiple_choice, Task::yes_no,
                                      Task::own};

// "gsm8k", "math", "multiple-choice", "yes-no", "jsonl".
std::string_view task_name(Task task);

struct Question {
  int32_t index = 0;  // in the file, from 0: numbers the question in random streams and logs
  std::string id;     // its "id" or "unique_id", else the index
  std::string text;   // as the model is asked
  std::string gold;   // the right answer; empty: not known
  AnswerKind kind = AnswerKind::number;
};

// The first `limit` questions (0: all) of a JSONL text; blank lines are passed over.
// `path` is for messages. Errors: corrupt, with the line's number (no JSON object, a
// field that is missing or of the wrong type), usage (no questions at all).
Result<std::vector<Question>> parse_questions(std::string_view text, const std::string& path,
                                              Task task, int32_t limit);

// Whether the answer is right; the question's own is known.
bool is_correct(const Question& question, std::string_view answer);

}  // namespace pith
