// Figures of a small run that was worked out by hand.
#include "eval/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "eval/comparison.h"
#include "eval/report.h"
#include "eval/summary.h"
#include "eval/votes.h"

namespace pith {
namespace {

// `weight` is its score and its confidence.
SampleResult sample(std::string answer, bool correct, int32_t tokens, double weight = 0.5,
                    FinishReason reason = FinishReason::stop) {
  return {std::move(answer), correct, tokens, weight, reason, weight};
}

// Question 0: right 2 of 4, 1 votes nothing. Question 2: right 1 of 4, which weighs most.
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

double value(const Summary& summary, std::string figure, int k = 0,
             VoteRule rule = VoteRule::majority) {
  const Estimate* estimate = find(summary, {figure, k, rule});
  EXPECT_NE(estimate, nullptr) << figure << " " << k;
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
  EXPECT_DOUBLE_EQ(value(summary, "weighted_at", 4, VoteRule::confidence), 1);
  // Pairs of the first: 12 half, 13 right, 14 right, 23 half, 24 wrong, 34 right.
  // Pairs of the second: 12, 13 and 14 half, the others wrong.
  EXPECT_NEAR(value(summary, "maj_at", 2), (4.0 / 6 + 1.5 / 6) / 2, 1e-12);
  EXPECT_NEAR(value(summary, "pass_at", 2), (5.0 / 6 + 3.0 / 6) / 2, 1e-12);
  EXPECT_EQ(find(summary, {"maj_at", 3}), nullptr);
  EXPECT_EQ(summary.sample_count, 8);
  EXPECT_EQ(summary.truncated, 2);
  EXPECT_EQ(summary.unanswered, 1);
  EXPECT_EQ(summary.prompt_tokens, 80);
  EXPECT_EQ(summary.completion_tokens, 360 + 24);
  EXPECT_DOUBLE_EQ(summary.tokens_per_second, 192);
}

TEST(Summary, ReliabilityOfTheVote) {
  const Summary summary = summarise(small_run(), {4});
  ASSERT_EQ(summary.votes.size(), 2u);
  // The first winner has 2 of 3 votes and is right, the second 2 of 4 and is not.
  const Reliability& majority = summary.votes[0].agreement;
  EXPECT_EQ(majority.bins[6].count, 1);
  EXPECT_DOUBLE_EQ(majority.bins[6].accuracy, 1);
  EXPECT_EQ(majority.bins[5].count, 1);
  EXPECT_DOUBLE_EQ(majority.bins[5].accuracy, 0);
  EXPECT_NEAR(majority.brier, (1.0 / 9 + 1.0 / 4) / 2, 1e-12);
  // By weight the second has 0.9 of 1.7 and is right.
  const VoteSummary& confidence = summary.votes[1];
  EXPECT_EQ(confidence.rule, VoteRule::confidence);
  EXPECT_DOUBLE_EQ(confidence.agreement.bins[5].confidence, 0.9 / 1.7);
  EXPECT_DOUBLE_EQ(confidence.agreement.bins[5].accuracy, 1);
  EXPECT_FALSE(confidence.calibrated);  // of two questions nothing can be learned
  EXPECT_EQ(summary.score.bins[9].count, 1);
}

// Of one question all four samples say the same, of the other none says anything.
TEST(Summary, EarlyStop) {
  EvalRun run = small_run();
  for (SampleResult& sample : run.questions[0].samples) sample = {"1/2", true, 10, 0.5};
  for (SampleResult& sample : run.questions[1].samples) sample = {"", false, 30, 0.5};
  const std::vector<EarlyStop> stops = summarise(run, {4}).votes.at(0).early_stops;
  ASSERT_EQ(stops.size(), 4u);
  EXPECT_FALSE(stops[0].stop_at);
  EXPECT_EQ(stops[1].stop_at, 0.9);
  for (const EarlyStop& stop : stops) {
    // Three of four decide, and three of three are enough for 0.9, not for 0.95.
    EXPECT_DOUBLE_EQ(stop.accuracy.value, 0.5);
    EXPECT_DOUBLE_EQ(stop.difference.low, 0);
    EXPECT_DOUBLE_EQ(stop.difference.high, 0);
    EXPECT_DOUBLE_EQ(stop.samples.value, (3 + 4) / 2.0);
    EXPECT_DOUBLE_EQ(stop.tokens.value, (30 + 120) / 2.0);
    EXPECT_DOUBLE_EQ(stop.saved_samples, 1.0 / 8);
    EXPECT_DOUBLE_EQ(stop.saved_tokens, 10.0 / 160);
  }
}

// Ten questions whose two samples agree on what is right eight times, and one that nobody
// answers.
TEST(Summary, CalibratedVotes) {
  EvalRun run = small_run();
  const QuestionResult question = run.questions[0];
  run.samples = 2;
  run.greedy = false;
  run.questions.clear();
  for (int32_t i = 0; i < 11; ++i) {
    run.questions.push_back(question);
    run.questions.back().index = i;
    run.questions.back().greedy.reset();
    const SampleResult sample = {i < 10 ? "1" : "", i < 8, 10, 0.5};
    run.questions.back().samples = {sample, sample};
  }
  const VoteSummary vote = summarise(run, {2}).votes.at(0);
  ASSERT_TRUE(vote.calibration);
  ASSERT_EQ(vote.calibration->points().size(), 1u);
  EXPECT_DOUBLE_EQ(vote.calibration->points()[0].agreement, 0.75);  // (2 + 1) / (2 + 2)
  EXPECT_DOUBLE_EQ(vote.calibration->points()[0].accuracy, 0.75);   // (8 + 1) / (10 + 2)
  // Sure of ten, right with eight; rightly not sure of the one without a winner.
  EXPECT_DOUBLE_EQ(vote.agreement.brier, 2.0 / 11);
  EXPECT_DOUBLE_EQ(vote.agreement.calibration_error, 2.0 / 11);
  ASSERT_TRUE(vote.calibrated);
  EXPECT_EQ(vote.calibrated->bins[0].count, 1);
  // Each fold is judged by eight votes: both wrong ones are among those of three folds at least.
  EXPECT_GE(vote.calibrated->bins[7].count, 6);
}

TEST(Summary, SingleSamplesHaveNoVotes) {
  EvalRun run = small_run();
  run.samples = 1;
  for (QuestionResult& question : run.questions) question.samples.resize(1);
  const Summary summary = summarise(run, {1});
  EXPECT_TRUE(summary.votes.empty());
  EXPECT_DOUBLE_EQ(value(summary, "maj_at", 1), 1);
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

TEST(Results, JsonOfVotes) {
  EvalRun run = small_run();
  auto json = report_json(run, summarise(run, {1, 2}));
  EXPECT_TRUE(json["weighted_at"]["confidence"]["2"].contains("low"));
  EXPECT_FALSE(json["weighted_at"].contains("verifier"));
  EXPECT_EQ(json["early_stop"]["confidence"].size(), 4u);
  EXPECT_EQ(json["early_stop"]["majority"][0]["stop_at"], nullptr);
  EXPECT_EQ(json["early_stop"]["majority"][3]["stop_at"], 0.99);
  EXPECT_TRUE(json["reliability"]["majority"]["agreement"].contains("brier"));
  EXPECT_FALSE(json["reliability"]["majority"].contains("calibrated"));
  EXPECT_TRUE(json["calibration"].empty());
  EXPECT_TRUE(json["left_out"].empty());
}

TEST(Results, TheHeadlineIsTheLargestVoteByItsRule) {
  EvalRun run = small_run();
  EXPECT_EQ(default_vote(run), VoteRule::majority);
  const auto headline = [&](VoteRule rule) {
    const Summary summary = summarise(run, {1, 4, 2}, rule);
    EXPECT_EQ(summary.votes.at(0).rule, rule);
    EXPECT_EQ(summary.votes.size(), vote_rules(run).size());
    EXPECT_NE(
        report_table(run, summary).find(fmt::format("vote of 4 by {}: ", vote_rule_name(rule))),
        std::string::npos);
    return report_json(run, summary)["vote"];
  };
  const auto majority = headline(VoteRule::majority);
  EXPECT_EQ(majority["rule"], "majority");
  EXPECT_EQ(majority["samples"], 4);
  EXPECT_EQ(majority["value"], 0.5);
  const auto confidence = headline(VoteRule::confidence);
  EXPECT_EQ(confidence["rule"], "confidence");
  EXPECT_EQ(confidence["value"], 1);
  EXPECT_TRUE(confidence.contains("low") && confidence.contains("high"));
  for (QuestionResult& question : run.questions) {
    for (SampleResult& sample : question.samples) sample.verifier_score = 0.5;
  }
  EXPECT_EQ(default_vote(run), VoteRule::verifier);
  run.settings["vote"] = "confidence";  // of its pack
  EXPECT_EQ(default_vote(run), VoteRule::confidence);
  run.settings["vote"] = "coin";
  EXPECT_EQ(default_vote(run), VoteRule::verifier);
}

TEST(Results, WeightsThatAreThereAreKept) {
  EvalRun run = small_run();
  run.questions[0].samples[0].verifier_score = 0.25;
  run.questions[0].samples[1].confidence.reset();
  const auto json = to_json(run);
  EXPECT_EQ(json["results"][0]["samples"][0]["verifier_score"], 0.25);
  EXPECT_FALSE(json["results"][0]["samples"][1].contains("confidence"));
  const auto back = run_from_json(json, "file");
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->questions[0].samples[0].verifier_score, 0.25);
  EXPECT_FALSE(back->questions[0].samples[1].confidence);
  EXPECT_EQ(back->questions[0].samples[2].confidence, 0.5);
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
  EXPECT_TRUE(bad_with("/results/0/samples/0/confidence", 1.5));
  EXPECT_TRUE(bad_with("/results/0/samples/0/confidence", nullptr));
  EXPECT_TRUE(bad_with("/results/0/samples/0/verifier_score", -0.1));
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
    if (metric.name.figure == "mean_tokens") {
      seen = true;
      // The same for every question, so there is nothing uncertain about it.
      EXPECT_DOUBLE_EQ(metric.estimate.value, -5);
      EXPECT_DOUBLE_EQ(metric.estimate.low, -5);
      EXPECT_DOUBLE_EQ(metric.estimate.high, -5);
    } else {
      EXPECT_DOUBLE_EQ(metric.estimate.value, metric.name.figure == "greedy" ? 0.5 : 0)
          << metric.name.figure;
    }
  }
  EXPECT_TRUE(seen);
}

TEST(Compare, VotesThatOneRunCannotWeigh) {
  const EvalRun a = small_run();
  EvalRun b = a;
  b.questions[0].samples[0].confidence.reset();
  const auto has_weighted = [](const Comparison& comparison) {
    return std::any_of(comparison.difference.begin(), comparison.difference.end(),
                       [](const auto& m) { return m.name.figure == "weighted_at"; });
  };
  EXPECT_TRUE(has_weighted(*compare(a, a)));
  const auto comparison = compare(a, b);
  EXPECT_FALSE(has_weighted(*comparison));
  ASSERT_EQ(comparison->left_out.size(), 1u);
  EXPECT_TRUE(comparison->left_out[0].starts_with("B: votes by confidence are left out: 1 of 8"));
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
