// Which samples are trained on, and in which order.
#include "train/sft_data.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "support/temporary_folder.h"

namespace pith::train {
namespace {

using nlohmann::json;

using Tokens = std::vector<TokenId>;

class SftDataTest : public ::testing::Test {
 protected:
  static json sample(const Tokens& prompt, const Tokens& completion, const json& correct = true,
                     const char* finish_reason = "stop") {
    return {{"prompt_ids", prompt},
            {"completion_ids", completion},
            {"correct", correct},
            {"finish_reason", finish_reason}};
  }

  std::string write(const std::vector<json>& lines, const std::string& tail = "",
                    const std::string& name = "samples.jsonl") {
    std::string text = json{{"run", {{"seed", 1}}}}.dump() + "\n";
    for (const json& line : lines) text += line.dump() + "\n";
    const std::string path = folder_ / name;
    EXPECT_TRUE(write_file(path, text + tail));
    return path;
  }

  Result<SftData> read(const std::vector<json>& lines, const std::string& tail = "") {
    return read_sft_data({write(lines, tail)}, {}, selection_, kModel);
  }

  void expect_error(const json& line, ErrorCode code, const std::string& part) {
    const Result<SftData> data = read({sample({1, 90, 91}, {2}), line});
    ASSERT_FALSE(data) << line;
    EXPECT_EQ(data.error().code, code) << data.error().message;
    EXPECT_NE(data.error().message.find(part), std::string::npos) << data.error().message;
  }

  const SftModel kModel{100, 12, {90, 91}};
  SftSelection selection_{.per_question = 0};
  pith::testing::TemporaryFolder folder_;
};

TEST_F(SftDataTest, KeepsWhatIsRightAndWhole) {
  const auto data =
      read({sample({1, 90, 91}, {5, 6}), sample({1, 90, 91}, {5, 7}, false),
            sample({1, 90, 91}, {5, 8}, nullptr), sample({1, 90, 91}, {5, 9}, true, "budget"),
            sample({1, 90, 91}, {5, 6}), sample({2, 90, 91}, {5, 6})});
  ASSERT_TRUE(data) << data.error().message;
  ASSERT_EQ(data->examples.size(), 2);
  EXPECT_EQ(data->examples[0].prompt, (Tokens{1, 90, 91}));
  EXPECT_EQ(data->examples[0].completion, (Tokens{5, 6}));
  EXPECT_EQ(data->examples[1].prompt, (Tokens{2, 90, 91}));
  EXPECT_EQ(data->questions, 2);
  EXPECT_EQ(data->samples, 6);
  EXPECT_EQ(data->wrong, 2);
  EXPECT_EQ(data->unfinished, 1);
  EXPECT_EQ(data->repeated, 1);
}

TEST_F(SftDataTest, KeepsWhatIsNotKnownToBeRightIfAsked) {
  selection_.correct_only = false;
  const auto data = read({sample({1, 90, 91}, {5}, nullptr), sample({1, 90, 91}, {6}, false),
                          sample({1, 90, 91}, {7}, true, "budget")});
  EXPECT_EQ(data->examples.size(), 2);
}

TEST_F(SftDataTest, KeepsTheShortestOfAQuestion) {
  selection_.per_question = 2;
  const auto data = read({sample({1, 90, 91}, {5, 6, 7}), sample({1, 90, 91}, {9}),
                          sample({1, 90, 91}, {5, 6, 7, 8}), sample({1, 90, 91}, {5, 6})});
  ASSERT_EQ(data->examples.size(), 2);
  EXPECT_EQ(data->examples[0].completion, (Tokens{9}));
  EXPECT_EQ(data->examples[1].completion, (Tokens{5, 6}));
  EXPECT_EQ(data->surplus, 2);
}

TEST_F(SftDataTest, LeavesOutWhatIsTooLong) {
  selection_.most_tokens = 3;
  const Tokens prompt = {1, 2, 3, 4, 5, 6, 7, 8, 9, 90, 91};  // leaves one of the context's 12
  const auto data = read({sample({1, 90, 91}, {5, 6, 7}), sample({1, 90, 91}, {5, 6, 7, 8}),
                          sample(prompt, {5}), sample(prompt, {5, 6})});
  EXPECT_EQ(data->examples.size(), 2);
  EXPECT_EQ(data->long_ones, 2);
}

TEST_F(SftDataTest, APromptStatesTheSmallestBudgetThatItsAnswerKeeps) {
  selection_ = {.per_question = 1, .budgets = {2, 4}};
  std::vector<json> lines;
  for (const Tokens& completion : {Tokens{5}, {5, 6}, {5, 6, 7}, {5, 6, 7, 8}, {5, 6, 7, 8, 9}}) {
    lines.push_back(sample({1, 90, 91}, completion));
    lines.back()["asked"] = "why";
  }
  std::vector<std::string> asked;
  const SftPrompt prompt = [&](const std::string& text, int32_t budget) -> Result<Tokens> {
    asked.push_back(text);
    return Tokens{budget, 90, 91};
  };
  const auto data = read_sft_data({write(lines)}, {}, selection_, kModel, prompt);
  ASSERT_TRUE(data) << data.error().message;
  ASSERT_EQ(data->examples.size(), 2);
  EXPECT_EQ(data->examples[0].prompt, (Tokens{2, 90, 91}));
  EXPECT_EQ(data->examples[0].completion, (Tokens{5}));
  EXPECT_EQ(data->examples[1].prompt, (Tokens{4, 90, 91}));
  EXPECT_EQ(data->examples[1].completion, (Tokens{5, 6, 7}));
  EXPECT_EQ(data->examples[1].boundary, 1);
  EXPECT_EQ(data->surplus, 2);
  EXPECT_EQ(data->long_ones, 1);
  EXPECT_EQ(data->questions, 1);
  EXPECT_EQ(asked, (std::vector<std::string>{"why", "why"}));
}

TEST_F(SftDataTest, OtherPromptsNeedTheQuestion) {
  const SftPrompt prompt = [](const std::string&, int32_t) -> Result<Tokens> { return Tokens{90}; };
  const auto data =
      read_sft_data({write({sample({1, 90, 91}, {5})})}, {}, selection_, kModel, prompt);
  ASSERT_FALSE(data);
  EXPECT_EQ(data.error().code, ErrorCode::usage);
  EXPECT_NE(data.error().message.find("line 2: it does not say what was asked"), std::string::npos);
}

TEST_F(SftDataTest, TheAdapterIsOnFromTheLastHeader) {
  const auto data = read({sample({90, 91, 3, 90, 91, 92}, {5})});
  EXPECT_EQ(data->examples[0].boundary, 3);
}

TEST_F(SftDataTest, SeveralFilesShareTheirQuestions) {
  const std::string one = write({sample({1, 90, 91}, {5})}, "", "one.jsonl");
  const std::string two =
      write({sample({1, 90, 91}, {5}), sample({1, 90, 91}, {6})}, "", "two.jsonl");
  const auto data = read_sft_data({one, two}, {}, selection_, kModel);
  EXPECT_EQ(data->examples.size(), 2);
  EXPECT_EQ(data->questions, 1);
}

TEST_F(SftDataTest, ALastLineMayBeCutOff) {
  const auto data = read({sample({1, 90, 91}, {5})}, "{\"prompt_ids\": [1, ");
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(data->examples.size(), 1);
  EXPECT_FALSE(read({sample({1, 90, 91}, {5})}, "{\"prompt_ids\": [1, \n"));
}

TEST_F(SftDataTest, FlawsAreNamed) {
  expect_error(json::array(), ErrorCode::corrupt, "samples.jsonl, line 3: it is not a JSON object");
  expect_error({{"completion_ids", {1}}}, ErrorCode::corrupt, "no list prompt_ids");
  expect_error(sample({1, 90, 91}, {100}), ErrorCode::corrupt, "no token of this model: 100");
  expect_error(sample({-1, 90, 91}, {1}), ErrorCode::corrupt, "no token of this model: -1");
  expect_error({{"prompt_ids", {1.5}}, {"completion_ids", {1}}}, ErrorCode::corrupt, "1.5");
  expect_error(sample({1, 90}, {5}), ErrorCode::corrupt, "does not have the header");
  EXPECT_EQ(read({}).error().code, ErrorCode::usage);
  EXPECT_EQ(read_sft_data({folder_ / "none"}, {}, selection_, kModel).error().code,
            ErrorCode::not_found);
}

TEST(BatchPlan, AnEpochHasEveryExampleOnce) {
  const BatchPlan plan{10, 4, 3};
  EXPECT_EQ(plan.steps_per_epoch(), 3);
  std::vector<size_t> orders[2];
  for (const int64_t step : {0, 1, 2, 3, 4, 5}) {
    const std::vector<size_t> batch = plan.at(step);
    EXPECT_EQ(batch.size(), step % 3 == 2 ? 2 : 4);
    EXPECT_EQ(batch, plan.at(step));
    orders[step / 3].insert(orders[step / 3].end(), batch.begin(), batch.end());
  }
  EXPECT_NE(orders[0], orders[1]);
  for (const auto& order : orders) {
    EXPECT_EQ(std::set<size_t>(order.begin(), order.end()).size(), 10);
  }
  EXPECT_NE(plan.at(0), (BatchPlan{10, 4, 4}.at(0)));
}

TEST(SplitExamples, KeepsWithinTheRowsAndTheOrder) {
  std::vector<Example> examples;
  for (const size_t length : {3, 4, 5, 2, 20, 1}) {
    examples.push_back({{1, 90, 91}, 1, Tokens(length)});  // length + 2 rows
  }
  const auto parts = split_examples(examples, {5, 0, 4, 2, 1, 3}, 11);
  EXPECT_EQ(parts, (std::vector<std::vector<size_t>>{{0, 1}, {2, 3}, {4}, {5}}));
}

TEST(Fingerprint, DiffersWithEveryToken) {
  SftData data;
  data.examples = {{{1, 2}, 1, {3, 4}}, {{5}, 0, {6}}};
  std::set<std::string> seen = {fingerprint(data)};
  data.examples[1].completion = {7};
  EXPECT_TRUE(seen.insert(fingerprint(data)).second);
  data.examples[0] = {{1, 2, 3}, 1, {4}};
  EXPECT_TRUE(seen.insert(fingerprint(data)).second);
  data.examples[0].boundary = 2;
  EXPECT_TRUE(seen.insert(fingerprint(data)).second);
}

}  // namespace
}  // namespace pith::train
