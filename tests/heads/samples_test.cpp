// What `pith sample` wrote, gathered by prompt and by question.
#include "heads/samples.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/temporary_folder.h"

namespace pith {
namespace {

using nlohmann::json;

class Samples : public ::testing::Test {
 protected:
  Samples() { model = {.vocabulary = 100, .context_tokens = 50, .sha256 = "m", .header = {7, 8}}; }

  static json run(const std::string& data, int budget, const json& more = json::object()) {
    json settings = {
        {"task", "gsm8k"}, {"model_sha256", "m"}, {"data_sha256", data}, {"budget", budget}};
    settings.update(more);
    return {{"run", settings}};
  }
  static json line(int question, int sample, int prompt, const json& correct = true) {
    return {{"question", question},
            {"sample", sample},
            {"prompt_ids", {prompt, 7, 8}},
            {"completion_ids", {1, sample, 2}},
            {"answer", "3"},
            {"correct", correct},
            {"finish_reason", "stop"},
            {"log_probabilities", {-1.0, -2.0, -3.0}}};
  }
  std::string write(const std::string& name, const std::vector<json>& lines) {
    std::string text;
    for (const json& entry : lines) text += entry.dump() + "\n";
    const std::string path = folder.path() + "/" + name;
    EXPECT_TRUE(write_file(path, text));
    return path;
  }
  std::string error(const std::vector<std::string>& paths) {
    const auto set = read_samples(paths, model);
    return set ? "" : set.error().message;
  }

  testing::TemporaryFolder folder;
  SampleModel model;
};

TEST_F(Samples, ByPromptAndByQuestion) {
  // Question 0 with two budgets in its prompt; question 1; and 1 again from other data.
  const auto a = write("a", {run("d", 9), line(0, 0, 10), line(0, 1, 10, false), line(1, 0, 11)});
  const auto b = write("b", {run("d", 5), line(0, 0, 20), run("e", 9), line(1, 0, 30)});
  const SampleSet set = read_samples({a, b}, model).value();
  ASSERT_EQ(set.prompts.size(), 4u);
  EXPECT_EQ(set.questions, 3u);
  EXPECT_EQ(set.samples, 5u);
  EXPECT_EQ(set.prompts[0].prompt.ids, (std::vector<TokenId>{10, 7, 8}));
  EXPECT_EQ(set.prompts[0].prompt.boundary, 1u);
  EXPECT_EQ(set.prompts[0].question, set.prompts[2].question);
  EXPECT_NE(set.prompts[1].question, set.prompts[3].question);
  EXPECT_FALSE(set.prompts[0].samples[1].correct);
  EXPECT_EQ(set.prompts[0].samples[1].mean_log_probability, -2);
  EXPECT_EQ(set.run["budget"], 9);
}

TEST_F(Samples, TheOrderOfLinesMakesNoDifference) {
  const auto a = write("a", {run("d", 9), line(0, 0, 10), line(0, 1, 10), line(1, 0, 11)});
  const auto b = write("b", {run("d", 9), line(1, 0, 11), line(0, 1, 10), line(0, 0, 10)});
  EXPECT_EQ(fingerprint(read_samples({a}, model).value()),
            fingerprint(read_samples({b}, model).value()));
  const auto c = write("c", {run("d", 9), line(1, 0, 11), line(0, 2, 10), line(0, 0, 10)});
  EXPECT_NE(fingerprint(read_samples({a}, model).value()),
            fingerprint(read_samples({c}, model).value()));
}

TEST_F(Samples, WhatIsLeftOut) {
  json longer = line(2, 0, 12);
  longer["completion_ids"] = std::vector<int>(60, 1);
  const auto a =
      write("a", {run("d", 9), line(0, 0, 10), line(0, 0, 10), line(1, 0, 11, nullptr), longer});
  const SampleSet set = read_samples({a}, model).value();
  EXPECT_EQ(set.samples, 1u);
  EXPECT_EQ(set.repeated, 1u);
  EXPECT_EQ(set.unknown, 1u);
  EXPECT_EQ(set.too_long, 1u);
}

TEST_F(Samples, FlawsAreNamed) {
  EXPECT_NE(error({folder.path() + "/none"}).find("none"), std::string::npos);
  EXPECT_NE(error({write("a", {run("d", 9, {{"model_sha256", "x"}})})}).find("another model"),
            std::string::npos);
  EXPECT_NE(error({write("b", {run("d", 9, {{"think", "off"}})})}).find("--think off"),
            std::string::npos);
  EXPECT_NE(error({write("c", {line(0, 0, 100)})}).find("c, line 1: prompt_ids has"),
            std::string::npos);
  json other = line(0, 0, 10);
  other["prompt_ids"] = {1, 2, 3};
  EXPECT_NE(error({write("d", {other})}).find("no header"), std::string::npos);
  EXPECT_NE(error({write("e", {run("d", 9)})}).find("no samples"), std::string::npos);
}

}  // namespace
}  // namespace pith
