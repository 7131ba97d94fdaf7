// Lines as the public benchmarks have them, and lines that are wrong.
#include "eval/task.h"

#include <gtest/gtest.h>

namespace pith {
namespace {

Question only(std::string_view line, Task task) {
  const auto questions = parse_questions(line, "file.jsonl", task, 0);
  EXPECT_TRUE(questions) << questions.error().message;
  EXPECT_EQ(questions->size(), 1u);
  return questions->front();
}

std::string error_of(std::string_view line, Task task) {
  const auto questions = parse_questions(line, "file.jsonl", task, 0);
  return questions ? "no error" : questions.error().message;
}

TEST(Task, Gsm8k) {
  const Question question = only(
      R"({"question": " How many? ", "answer": "3 + 4 = <<3+4=7>>7\n#### 1,007"})", Task::gsm8k);
  EXPECT_EQ(question.text, "How many?");
  EXPECT_EQ(question.gold, "1,007");
  EXPECT_EQ(question.kind, AnswerKind::number);
  EXPECT_EQ(question.id, "0");
  EXPECT_TRUE(is_correct(question, "1007"));
  EXPECT_FALSE(is_correct(question, "1008"));
  EXPECT_FALSE(is_correct(question, ""));
}

TEST(Task, Math) {
  const Question question = only(
      R"({"problem": "What is half?", "solution": "..", "answer": "\\frac{1}{2}", "unique_id": "test/1"})",
      Task::math);
  EXPECT_EQ(question.text, "What is half?");
  EXPECT_EQ(question.id, "test/1");
  EXPECT_TRUE(is_correct(question, "0.5"));
  const Question number = only(R"({"id": 7, "question": "?", "answer": 27.0})", Task::math);
  EXPECT_EQ(number.id, "7");
  EXPECT_TRUE(is_correct(number, "27"));
}

TEST(Task, AnswerThatIsNotKnown) {
  EXPECT_EQ(only(R"({"problem": "?", "answer": " "})", Task::math).gold, "");
  EXPECT_EQ(only(R"({"problem": "?"})", Task::math).gold, "");
}

TEST(Task, ChoicesAsList) {
  const Question question =
      only(R"({"question": "Which?", "choices": ["red", "green", "blue"], "answer": 2})",
           Task::multiple_choice);
  EXPECT_EQ(question.text, "Which?\n\nA. red\nB. green\nC. blue");
  EXPECT_EQ(question.gold, "C");
  EXPECT_EQ(question.kind, AnswerKind::choice);
  EXPECT_TRUE(is_correct(question, "(C)"));
}

TEST(Task, ChoicesByLetter) {
  const Question question =
      only(R"({"question": "Which?", "choices": {"A": "red", "B": "green"}, "answer": "B"})",
           Task::multiple_choice);
  EXPECT_EQ(question.text, "Which?\n\nA. red\nB. green");
  EXPECT_EQ(question.gold, "B");
}

TEST(Task, YesNo) {
  EXPECT_EQ(only(R"({"question": "?", "answer": true})", Task::yes_no).gold, "Yes");
  EXPECT_EQ(only(R"({"question": "?", "answer": "no"})", Task::yes_no).gold, "No");
}

TEST(Task, Own) {
  EXPECT_EQ(only(R"({"question": "?", "answer": "x+1"})", Task::own).gold, "x+1");
  EXPECT_EQ(only(R"({"question": "?", "answer": -3})", Task::own).gold, "-3");
  EXPECT_EQ(only(R"({"question": "?"})", Task::own).gold, "");
  const Question choice = only(R"({"question": "?", "kind": "choice", "answer": "B"})", Task::own);
  EXPECT_EQ(choice.kind, AnswerKind::choice);
  const Question verdict =
      only(R"({"question": "?", "kind": "yes-no", "answer": false})", Task::own);
  EXPECT_EQ(verdict.kind, AnswerKind::yes_no);
  EXPECT_EQ(verdict.gold, "No");
}

TEST(Task, LimitAndBlankLines) {
  const auto questions = parse_questions(
      "\n{\"question\": \"a\"}\r\n  \n{\"question\": \"b\"}\nno JSON at all", "f", Task::own, 2);
  ASSERT_TRUE(questions) << questions.error().message;
  ASSERT_EQ(questions->size(), 2u);
  EXPECT_EQ((*questions)[1].text, "b");
  EXPECT_EQ((*questions)[1].index, 1);
}

TEST(Task, ErrorsNameTheLine) {
  const std::string good = "{\"question\": \"a\"}\n\n";
  EXPECT_EQ(error_of(good + "{\"question\": ", Task::own),
            "file.jsonl, line 3: it is not a JSON object");
  EXPECT_EQ(error_of(good + "[1]", Task::own), "file.jsonl, line 3: it is not a JSON object");
  EXPECT_EQ(error_of(good + "{\"question\": \"\xff\"}", Task::own),
            "file.jsonl, line 3: it is not a JSON object");
  EXPECT_EQ(error_of("{}", Task::own), "file.jsonl, line 1: it has no text \"question\"");
  EXPECT_EQ(error_of(R"({"question": 3})", Task::own),
            "file.jsonl, line 1: it has no text \"question\"");
  EXPECT_EQ(error_of(R"({"question": " "})", Task::own),
            "file.jsonl, line 1: its \"question\" is empty");
}

TEST(Task, BadLines) {
  const auto fails = [](std::string_view line, Task task, std::string_view fragment) {
    EXPECT_NE(error_of(line, task).find(fragment), std::string::npos)
        << line << ": " << error_of(line, task);
  };
  fails(R"({"question": "?", "answer": "18"})", Task::gsm8k, "####");
  fails(R"({"question": "?", "answer": "#### "})", Task::gsm8k, "####");
  fails(R"({"question": "?"})", Task::gsm8k, "no text \"answer\"");
  fails(R"({"problem": "?", "answer": [1]})", Task::math, "neither text nor a number");
  fails(R"({"question": "?", "answer": 0})", Task::multiple_choice, "no \"choices\"");
  fails(R"({"question": "?", "choices": ["a"], "answer": 0})", Task::multiple_choice, "1 choices");
  fails(R"({"question": "?", "choices": [1, 2], "answer": 0})", Task::multiple_choice, "no text");
  fails(R"({"question": "?", "choices": {"B": "b", "A": "a", "D": "d"}, "answer": "A"})",
        Task::multiple_choice, "lettered");
  for (const char* answer : {"2", "-1", "\"C\"", "\"\"", "\"AB\"", "1.5", "null"}) {
    fails(fmt::format(R"({{"question": "?", "choices": ["a", "b"], "answer": {}}})", answer),
          Task::multiple_choice, "neither the letter nor the number");
  }
  fails(R"({"question": "?", "answer": "perhaps"})", Task::yes_no, "none of true, false");
  fails(R"({"question": "?", "answer": 1})", Task::yes_no, "none of true, false");
  fails(R"({"question": "?", "kind": "essay"})", Task::own, "\"kind\"");
  fails("\n \n", Task::own, "no questions");
}

}  // namespace
}  // namespace pith
