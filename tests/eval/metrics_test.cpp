// Figures of a small run that was worked out by hand.
#include "eval/metrics.h"

#include <gtest/gtest.h>

#include "eval/report.h"

namespace pith {
namespace {

SampleResult sample(std::string answer, bool correct, int32_t tokens, double score = 0.5,
                    FinishReason reason = FinishReason::stop) {
  return {std::move(answer), correct, tokens, score, reason};
}

// Question 0: right 2 of 4, 1 votes nothing. Question 2: right 1 of 4, which scores best.
EvalRun small_run() {
  EvalRun run;
  run.task = "math";
  run.data = "d.jsonl";
  run.model = "m";
  run.settings = {{"task", "math"}, {"data_sha256", "d"}, {"seed", 1}};
  run.samples = 4;
  run.greedy = true;
  run.seconds = 2;
  QuestionResult first;
  first.id = "a";
  first.gold = "1/2";
  first.prompt_tokens = 30;
  first.samples = {sample("0.5", true, 10), sample("3", false, 20, 0.5, FinishReason::budget),
                   sample("\\frac12", true, 30), sample("", false, 40, 0.5, FinishReason::context)};
  first.greedy = sample("0.5", true, 11);
  QuestionResult second;
  second.index = 2;
  second.id = "b";
  second.gold = "7";
  second.prompt_tokens = 50;
  second.samples = {sample("7", true, 50, 0.9), sample("8", false, 60, 0.3),
                    sample("8", false, 70, 0.4), sample("9", false, 80, 0.1)};
  second.greedy = sample("8", false, 13);
  run.questions = {first, second};
  return run;
}

double value(const Summary& summary, std::string_view name, int k = 0) {
  const Estimate* estimate = find(summary, name, k);
  EXPECT_NE(estimate, nullptr) << name << " " << k;
  return estimate == nullptr ? -1 : estimate->value;
}

TEST(Summary, FiguresWorkedOutByHand) {
  const Summary summary = summarise(small_run(), {1, 2, 4});
  EXPECT_DOUBLE_EQ(value(summary, "pass_at_1"), (2.0 / 4 + 1.0 / 4) / 2);
  EXPECT_DOUBLE_EQ(value(summary, "greedy"), 0.5);
  EXPECT_DOUBLE_EQ(value(summary, "mean_tokens"), 45);
  EXPECT_DOUBLE_EQ(value(summary, "greedy_tokens"), 12);
  EXPECT_NEAR(value(summary, "maj_at", 1), 3.0 / 8, 1e-12);
  // Equivalent answers vote together.
  EXPECT_DOUBLE_EQ(value(summary, "maj_at", 4), 0.5);
  EXPECT_DOUBLE_EQ(value(summary, "weighted_at", 4), 1);
  // Pairs of the first: 12 half, 13 right, 14 right, 23 half, 24 wrong, 34 right.
  // Pairs of the second: 12, 13 and 14 half, the others wrong.
  EXPECT_NEAR(value(summary, "maj_at", 2), (4.0 / 6 + 1.5 / 6) / 2, 1e-12);
  EXPECT_NEAR(value(summary, "pass_at", 2), (5.0 / 6 + 3.0 / 6) / 2, 1e-12);
  EXPECT_EQ(find(summary, "maj_at", 3), nullptr);
  EXPECT_EQ(summary.sample_count, 8);
  EXPECT_EQ(summary.truncated, 2);
  EXPECT_EQ(summary.unanswered, 1);
  EXPECT_EQ(summary.prompt_tokens, 80);
  EXPECT_EQ(summary.completion_tokens, 360 + 24);
  EXPECT_DOUBLE_EQ(summary.tokens_per_second, 192);
}

TEST(Summary, ReliabilityOfTheVote) {
  const Summary summary = summarise(small_run(), {4});
  // The first winner has 2 of 3 votes and is right, the second 2 of 4 and is not.
  EXPECT_EQ(summary.agreement.bins[6].count, 1);
  EXPECT_DOUBLE_EQ(summary.agreement.bins[6].accuracy, 1);
  EXPECT_EQ(summary.agreement.bins[5].count, 1);
  EXPECT_DOUBLE_EQ(summary.agreement.bins[5].accuracy, 0);
  EXPECT_EQ(summary.score.bins[9].count, 1);
}

TEST(Summary, DefaultSizesOfVotes) {
  EXPECT_EQ(default_branches(1), (std::vector<int32_t>{1}));
  EXPECT_EQ(default_branches(8), (std::vector<int32_t>{1, 2, 4, 8}));
  EXPECT_EQ(default_branches(12), (std::vector<int32_t>{1, 2, 4, 8, 12}));
}

TEST(Results, JsonAndBack) {
  const EvalRun run = small_run();
  const auto json = report_json(run, summarise(run, {1, 2}));
  EXPECT_DOUBLE_EQ(json["pass_at_1"]["value"], 0.375);
  EXPECT_TRUE(json["maj_at"]["2"].contains("low"));
  const auto back = run_from_json(json, "file");
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(to_json(*back), to_json(run));
}

TEST(Results, JsonThatIsNotOurs) {
  const nlohmann::ordered_json good = to_json(small_run());
  EXPECT_TRUE(run_from_json(good, "file"));
  const auto bad = [](const nlohmann::ordered_json& json) {
    const auto run = run_from_json(json, "file.json");
    return !run && run.error().code == ErrorCode::corrupt &&
           run.error().message.starts_with("file.json was not written by pith eval");
  };
  EXPECT_TRUE(bad(nullptr));
  EXPECT_TRUE(bad({1, 2}));
  for (const auto& [name, member] : good.items()) {
    nlohmann::ordered_json damaged = good;
    damaged.erase(name);
    EXPECT_TRUE(bad(damaged)) << name;
  }
  nlohmann::ordered_json damaged = good;
  damaged["results"][1]["samples"].erase(0);
  EXPECT_TRUE(bad(damaged));
  damaged = good;
  damaged["results"][0].erase("greedy");
  EXPECT_TRUE(bad(damaged));
  const auto bad_with = [&](const char* pointer, const nlohmann::ordered_json& value) {
    nlohmann::ordered_json changed = good;
    changed[nlohmann::ordered_json::json_pointer(pointer)] = value;
    return bad(changed);
  };
  EXPECT_TRUE(bad_with("/samples", 0));
  EXPECT_TRUE(bad_with("/results", nlohmann::ordered_json::array()));
  EXPECT_TRUE(bad_with("/settings", 3));
  EXPECT_TRUE(bad_with("/shard/index", 0));
  EXPECT_TRUE(bad_with("/results/0/samples/0/tokens", -1));
  EXPECT_TRUE(bad_with("/results/0/samples/0/score", 0));
  EXPECT_TRUE(bad_with("/results/0/samples/0/correct", "yes"));
}

std::vector<EvalRun> two_shards() {
  std::vector<EvalRun> shards(2, small_run());
  for (int32_t i = 0; i < 2; ++i) {
    shards[static_cast<size_t>(i)].shard = {i, 2};
    shards[static_cast<size_t>(i)].questions.erase(
        shards[static_cast<size_t>(i)].questions.begin() + 1 - i);
  }
  return shards;
}

TEST(Merge, ShardsMakeTheWhole) {
  std::vector<EvalRun> shards = two_shards();
  std::swap(shards[0], shards[1]);
  const auto merged = merge_shards(shards);
  ASSERT_TRUE(merged) << merged.error().message;
  EvalRun whole = small_run();
  whole.seconds = 4;
  EXPECT_EQ(to_json(*merged), to_json(whole));
}

TEST(Merge, RefusesWhatDoesNotFit) {
  const auto error = [](std::vector<EvalRun> shards) {
    const auto merged = merge_shards(std::move(shards));
    return merged ? "no error" : merged.error().message;
  };
  std::vector<EvalRun> shards = two_shards();
  EXPECT_EQ(error({shards[0]}), "shard 2/2 is missing");
  EXPECT_EQ(error({shards[0], shards[0]}), "shard 1/2 is there twice");
  shards[1].settings["seed"] = 2;
  EXPECT_EQ(error(shards), "these are shards of different runs (different: seed)");
}

TEST(Compare, PairedDifference) {
  const EvalRun a = small_run();
  EvalRun b = a;
  for (QuestionResult& question : b.questions) {
    for (SampleResult& sample : question.samples) sample.tokens -= 5;
  }
  b.questions[1].greedy->correct = true;
  b.greedy = true;
  const auto comparison = compare(a, b);
  ASSERT_TRUE(comparison) << comparison.error().message;
  EXPECT_EQ(comparison->questions, 2u);
  bool seen = false;
  for (const MetricEstimate& metric : comparison->difference) {
    if (metric.name == "mean_tokens") {
      seen = true;
      // The same for every question, so there is nothing uncertain about it.
      EXPECT_DOUBLE_EQ(metric.estimate.value, -5);
      EXPECT_DOUBLE_EQ(metric.estimate.low, -5);
      EXPECT_DOUBLE_EQ(metric.estimate.high, -5);
    } else {
      EXPECT_DOUBLE_EQ(metric.estimate.value, metric.name == "greedy" ? 0.5 : 0) << metric.name;
    }
  }
  EXPECT_TRUE(seen);
}

TEST(Compare, QuestionsInCommon) {
  const EvalRun a = small_run();
  EvalRun b = a;
  b.questions.erase(b.questions.begin());
  EXPECT_EQ(compare(a, b)->questions, 1u);
  b.questions[0].index = 5;
  EXPECT_FALSE(compare(a, b));
  b = a;
  b.settings["data_sha256"] = "other";
  EXPECT_EQ(compare(a, b).error().code, ErrorCode::usage);
}

}  // namespace
}  // namespace pith
