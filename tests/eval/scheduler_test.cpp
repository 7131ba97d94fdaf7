// Samples do not depend on what they are drawn with.
#include "eval/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "reason/self_consistency.h"
#include "reason/tiny_reasoner.h"
#include "support/tiny_pack.h"

namespace pith {
namespace {

using testing::TinyReasoner;

struct Drawn {
  std::vector<TokenId> tokens;
  std::string text;
  bool operator==(const Drawn&) const = default;
};
using Samples = std::map<std::pair<size_t, size_t>, Drawn>;

class SampleCollector : public ScheduleObserver {
 public:
  Status on_sample(size_t job, size_t sample, const Branch& branch,
                   const SampleFacts& facts) override {
    const auto history = branch.history();
    const bool is_new =
        samples.try_emplace({job, sample}, Drawn{{history.begin(), history.end()}, branch.text()})
            .second;
    EXPECT_TRUE(is_new) << job << " " << sample;
    all_facts[{job, sample}] = facts;
    if (fail_at == samples.size()) return fail(ErrorCode::io, "the disk is full");
    return {};
  }
  bool cancelled() override { return samples.size() >= cancel_at; }

  Samples samples;
  std::map<std::pair<size_t, size_t>, SampleFacts> all_facts;
  size_t fail_at = 0;
  size_t cancel_at = SIZE_MAX;
};

// Jobs with different prompts, some with many samples, some with one.
class SchedulerTest : public ::testing::Test {
 protected:
  void add_jobs(const Tokenizer& tokenizer, int32_t budget_tokens, bool force_answer) {
    plan = force_answer ? BranchPlan::answering(tokenizer, budget_tokens, AnswerKind::number, "")
                        : BranchPlan::plain(budget_tokens, FinishReason::budget);
    sampling.temperature = 1;
    for (uint64_t i = 0; i < 7; ++i) {
      PromptJob job;
      job.prompt = testing::some_tokens(5 + 13 * i, i);
      job.plan = &plan;
      for (uint64_t s = 0; s < 1 + i % 4 * 3; ++s) job.samples.push_back({i * 100 + s, &sampling});
      wanted += job.samples.size();
      jobs.push_back(std::move(job));
    }
  }

  static EngineOptions options_for(const std::vector<PromptJob>& jobs, int32_t parallel) {
    EngineOptions options;
    options.max_rows = 64;
    options.kv_tokens = kv_tokens_needed(jobs, parallel);
    return options;
  }

  BranchPlan plan;
  SamplingOptions sampling;
  std::vector<PromptJob> jobs;
  size_t wanted = 0;
};

// With just the room that kv_tokens_needed() promises is enough.
TEST_F(SchedulerTest, SamplesAreTheSameWhateverRunsBeside) {
  const TinyReasoner first;
  add_jobs(first.tokenizer, 24, /*force_answer=*/true);
  Samples expected;
  for (const int32_t parallel : {1, 3, 16}) {
    const TinyReasoner tiny(options_for(jobs, parallel), parallel == 16 ? 2 : 1);
    SampleCollector collector;
    testing::must(run_schedule(*tiny.engine, tiny.tokenizer, jobs, parallel, collector));
    EXPECT_EQ(collector.samples.size(), wanted);
    if (parallel == 1) expected = collector.samples;
    EXPECT_EQ(collector.samples, expected) << parallel;
    EXPECT_EQ(tiny.engine->free_kv_tokens(), tiny.engine->options().kv_tokens) << "a leak";
  }
}

TEST_F(SchedulerTest, SamplesAreThoseOfSelfConsistency) {
  const TinyReasoner tiny;
  add_jobs(tiny.tokenizer, 24, /*force_answer=*/true);
  SampleCollector collector;
  testing::must(run_schedule(*tiny.engine, tiny.tokenizer, jobs, 5, collector));
  SelfConsistencyOptions options;
  options.branches = static_cast<int32_t>(jobs[3].samples.size());
  options.budget_tokens = plan.budget_tokens;
  options.sampling = sampling;
  options.first_stream = jobs[3].samples[0].stream;
  DecodeObserver observer;
  const auto result =
      self_consistency(*tiny.engine, tiny.tokenizer, jobs[3].prompt, options, observer).value();
  for (size_t i = 0; i < result.branches.size(); ++i) {
    EXPECT_EQ((collector.samples[{3, i}].text), result.branches[i].text);
  }
}

TEST_F(SchedulerTest, ReadsOnceWhatPromptsBeginWith) {
  const TinyReasoner tiny;
  plan = BranchPlan::plain(1, FinishReason::budget);  // no token is read again
  constexpr size_t kCommon = 40;
  constexpr size_t kOwn = 9;
  for (TokenId i = 0; i < 6; ++i) {
    PromptJob job;
    job.prompt = testing::some_tokens(kCommon, 0);
    job.prompt.resize(kCommon + kOwn, 10 + i);
    job.plan = &plan;
    job.samples.push_back({static_cast<uint64_t>(i), &sampling});
    jobs.push_back(std::move(job));
  }
  const int64_t before = tiny.engine->rows_processed();
  SampleCollector collector;
  testing::must(run_schedule(*tiny.engine, tiny.tokenizer, jobs, 4, collector));
  EXPECT_EQ(tiny.engine->rows_processed() - before,
            static_cast<int64_t>(kCommon + jobs.size() * kOwn));
}

TEST_F(SchedulerTest, StreamsDiffer) {
  const TinyReasoner tiny;
  add_jobs(tiny.tokenizer, 24, /*force_answer=*/false);
  SampleCollector collector;
  testing::must(run_schedule(*tiny.engine, tiny.tokenizer, jobs, 8, collector));
  EXPECT_NE((collector.samples[{3, 0}]), (collector.samples[{3, 1}]));
}

TEST_F(SchedulerTest, ErrorOfTheObserverEndsIt) {
  const TinyReasoner tiny;
  add_jobs(tiny.tokenizer, 8, /*force_answer=*/false);
  SampleCollector collector;
  collector.fail_at = 3;
  const Status status = run_schedule(*tiny.engine, tiny.tokenizer, jobs, 4, collector);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "the disk is full");
  EXPECT_EQ(collector.samples.size(), 3u);
}

TEST_F(SchedulerTest, CanBeCancelled) {
  const TinyReasoner tiny;
  add_jobs(tiny.tokenizer, 8, /*force_answer=*/false);
  SampleCollector collector;
  collector.cancel_at = 2;
  const Status status = run_schedule(*tiny.engine, tiny.tokenizer, jobs, 1, collector);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::cancelled);
  EXPECT_EQ(collector.samples.size(), 2u);
}

TEST_F(SchedulerTest, RefusesMoreThanItsEngineTakes) {
  const TinyReasoner tiny;
  SampleCollector collector;
  for (const int32_t parallel : {0, tiny.engine->options().max_rows / 2 + 1}) {
    const Status status = run_schedule(*tiny.engine, tiny.tokenizer, jobs, parallel, collector);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::usage);
  }
}

// What a pack decides and scores is what one question after the other would show.
TEST_F(SchedulerTest, PacksDecideAndScoreAsForOneQuestion) {
  TinyReasoner reasoner;
  add_jobs(reasoner.tokenizer, 16, /*force_answer=*/true);
  const ModelConfig& config = reasoner.engine->model().config();
  const auto width = static_cast<size_t>(config.width);
  const Switcher switcher{testing::random_head(width, 8, 1), testing::random_head(8, 1, 2)};
  const Verifier verifier{testing::random_head(width, 1, 3), testing::some_tokens(4, 5), 2};
  ThreadPool pool(1);
  const auto adapter =
      Adapter::load(*random_adapter(config, 4), config, AdapterPrecision::f32, pool).value();
  const AdapterId id = reasoner.engine->add_adapter(adapter);
  const BranchPlan direct = BranchPlan::answering(reasoner.tokenizer, 5, AnswerKind::number, "");

  // One question after the other, with a threshold that parts them.
  SelfConsistencyOptions asked;
  asked.sampling = sampling;
  asked.budget_tokens = 16;
  asked.direct_budget_tokens = 5;
  asked.stop_when_decided = false;
  asked.verifier = &verifier;
  std::vector<double> probabilities;
  const auto ask = [&](const PromptJob& job, double threshold) {
    asked.branches = static_cast<int32_t>(job.samples.size());
    asked.first_stream = job.samples[0].stream;
    asked.adapter = job.adapter;
    asked.direct_prompt = job.direct_prompt;
    asked.route = {ThinkMode::automatic, &switcher, threshold};
    DecodeObserver silent;
    return self_consistency(*reasoner.engine, reasoner.tokenizer, job.prompt, asked, silent)
        .value();
  };
  for (PromptJob& job : jobs) {
    job.adapter = {id, job.prompt.size() - 3};
    job.direct_prompt.assign(job.prompt.begin(), job.prompt.end() - 2);
    job.direct_plan = &direct;
    probabilities.push_back(*ask(job, 0.5).route.probability);
  }
  std::vector<double> sorted = probabilities;
  std::sort(sorted.begin(), sorted.end());
  const double threshold = sorted[3];
  for (PromptJob& job : jobs) job.route = {ThinkMode::automatic, &switcher, threshold};

  for (const int32_t parallel : {1, 3, 16}) {
    EngineOptions options = options_for(jobs, parallel);
    options.kv_tokens = kv_tokens_needed(jobs, parallel, &verifier);
    TinyReasoner other(options, 2);
    ASSERT_EQ(other.engine->add_adapter(adapter), id);
    SampleCollector collector;
    testing::must(
        run_schedule(*other.engine, other.tokenizer, jobs, parallel, collector, &verifier));
    ASSERT_EQ(collector.samples.size(), wanted);
    for (size_t job = 0; job < jobs.size(); ++job) {
      const SelfConsistencyResult expected = ask(jobs[job], threshold);
      EXPECT_EQ(expected.route.thinking, probabilities[job] >= threshold);
      for (size_t sample = 0; sample < jobs[job].samples.size(); ++sample) {
        const SampleFacts& facts = collector.all_facts[{job, sample}];
        EXPECT_EQ(facts.route.thinking, expected.route.thinking);
        EXPECT_EQ(facts.route.probability, expected.route.probability);
        EXPECT_EQ(facts.verifier_score, expected.branches[sample].verifier_score);
        const std::pair<size_t, size_t> key(job, sample);
        EXPECT_EQ(collector.samples[key].text, expected.branches[sample].text);
      }
    }
  }
}

}  // namespace
}  // namespace pith
