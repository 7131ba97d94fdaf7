// Jobs that come and go while others run: nobody's bits depend on it, nobody waits for long.
#include "reason/batch_scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "reason/tiny_reasoner.h"

namespace pith {
namespace {

using testing::some_tokens;
using testing::TinyReasoner;

// Some branches of one prompt; notes what they wrote.
class TextJob : public JobObserver {
 public:
  TextJob(const Tokenizer& tokenizer, int32_t budget_tokens, size_t branches, uint64_t stream)
      : plan_(BranchPlan::plain(budget_tokens, FinishReason::budget)) {
    sampling_.temperature = 1;
    for (size_t i = 0; i < branches; ++i) branches_.emplace_back(tokenizer, plan_, stream + i);
  }

  void on_begin(int32_t cached) override { cached_tokens = cached; }
  void on_prefill(int32_t done, int32_t) override { read_tokens = done; }
  Result<std::span<Branch>> on_read(const JobPrompt&) override { return std::span(branches_); }
  const SamplingOptions& sampling(size_t) override { return sampling_; }
  void on_token(size_t, const Branch&, std::string_view) override { ++tokens; }
  bool has_enough(size_t index) override {
    return enough_tokens > 0 && branches_[index].sampled_tokens() >= enough_tokens;
  }
  bool cancelled() override { return tokens >= cancel_after_tokens; }
  void on_end(const Status& ended) override {
    EXPECT_FALSE(over);
    over = true;
    status = ended;
  }

  // Most random models then go on for ever.
  void be_greedy() { sampling_.temperature = 0; }

  BatchJob job(std::vector<TokenId> prompt, std::string client = {}) const {
    BatchJob job;
    job.client = std::move(client);
    job.prompt = std::move(prompt);
    job.branch_tokens = plan_.most_tokens();
    job.uses_prefix_cache = true;
    job.caches_branches = true;
    return job;
  }
  std::vector<std::vector<TokenId>> written() const {
    std::vector<std::vector<TokenId>> all;
    for (const Branch& branch : branches_) {
      all.emplace_back(branch.history().begin(), branch.history().end());
    }
    return all;
  }
  std::span<const Branch> branches() const { return branches_; }

  int cancel_after_tokens = 1 << 30;
  int32_t enough_tokens = 0;
  int32_t cached_tokens = -1;  // -1: not begun
  int32_t read_tokens = 0;
  int tokens = 0;  // told of
  bool over = false;
  Status status;

 private:
  BranchPlan plan_;
  SamplingOptions sampling_;
  std::vector<Branch> branches_;
};

EngineOptions engine_options(int64_t kv_tokens) {
  EngineOptions options;
  options.max_rows = 64;
  options.kv_tokens = kv_tokens;
  return options;
}

struct RandomJob {
  std::vector<TokenId> prompt;
  int32_t budget_tokens;
  size_t branches;
  uint64_t stream;

  std::unique_ptr<TextJob> make(const Tokenizer& tokenizer) const {
    return std::make_unique<TextJob>(tokenizer, budget_tokens, branches, stream);
  }
};

// Prompts that often begin alike.
RandomJob random_job(uint64_t number) {
  RandomJob job;
  job.prompt = some_tokens(200, random_bits(number, 0, 0) % 2);
  job.prompt.resize(1 + random_bits(number, 0, 1) % 200);
  const auto own = some_tokens(random_bits(number, 0, 2) % 60, number);
  job.prompt.insert(job.prompt.end(), own.begin(), own.end());
  job.budget_tokens = 1 + static_cast<int32_t>(random_bits(number, 0, 3) % 40);
  job.branches = 1 + random_bits(number, 0, 4) % 4;
  job.stream = 100 * number;
  return job;
}

// Jobs arrive at any time, some are cancelled, the cache is too small to keep all prompts and
// the KV cache to run all jobs.
TEST(BatchScheduler, AJobIsTheSameAloneAndAmongOthers) {
  const TinyReasoner alone;
  for (uint64_t round = 0; round < 3; ++round) {
    const TinyReasoner tiny(engine_options(64 * 24), round == 2 ? 2 : 1);
    std::vector<RandomJob> jobs;
    std::vector<std::unique_ptr<TextJob>> running;
    int32_t cached = 0;
    {
      BatchScheduler scheduler(*tiny.engine, tiny.tokenizer,
                               {.places = 6, .prompt_rows = 20, .cache_tokens = 64 * 8});
      bool is_going_on = true;
      for (uint64_t step = 0; is_going_on || jobs.size() < 25; ++step) {
        if (jobs.size() < 25 && random_bits(round, 1, step) % 4 == 0) {
          jobs.push_back(random_job(round * 1000 + jobs.size()));
          running.push_back(jobs.back().make(tiny.tokenizer));
          if (jobs.size() % 5 == 0) running.back()->cancel_after_tokens = 7;
          scheduler.add(running.back()->job(jobs.back().prompt, std::string(1, "abc"[step % 3])),
                        *running.back());
        }
        is_going_on = scheduler.step();
        const BatchCounts counts = scheduler.counts();
        EXPECT_LE(counts.branches, 6);
        EXPECT_LE(counts.cached_tokens, 64 * 8);
        if (counts.last_rows > counts.last_prompt_rows) {
          EXPECT_LE(counts.last_prompt_rows, 20);
        }
      }
    }
    EXPECT_EQ(tiny.engine->free_kv_tokens(), tiny.engine->options().kv_tokens) << "a leak";
    for (size_t i = 0; i < jobs.size(); ++i) {
      ASSERT_TRUE(running[i]->over);
      EXPECT_TRUE(running[i]->status) << running[i]->status.error().message;
      cached += running[i]->cached_tokens;
      const auto same = jobs[i].make(alone.tokenizer);
      same->cancel_after_tokens = running[i]->cancel_after_tokens;
      run_alone(*alone.engine, alone.tokenizer, same->job(jobs[i].prompt), *same);
      if (same->cancel_after_tokens < 100) {
        for (const Branch& branch : running[i]->branches()) EXPECT_TRUE(branch.finished());
        continue;
      }
      EXPECT_EQ(running[i]->written(), same->written()) << round << " " << i;
      for (const Branch& branch : running[i]->branches()) {
        EXPECT_NE(branch.finish_reason(), FinishReason::context);
      }
    }
    EXPECT_GT(cached, 64 * 10);
  }
}

TEST(BatchScheduler, ALongPromptHoldsUpNobody) {
  const TinyReasoner tiny(engine_options(64 * 40));
  BatchScheduler scheduler(*tiny.engine, tiny.tokenizer, {.places = 8, .prompt_rows = 16});
  TextJob talking(tiny.tokenizer, 200, 1, 1);
  talking.be_greedy();
  scheduler.add(talking.job(some_tokens(10, 1), "a"), talking);
  while (talking.tokens == 0) scheduler.step();
  TextJob book(tiny.tokenizer, 5, 1, 2);
  TextJob line(tiny.tokenizer, 5, 1, 3);
  scheduler.add(book.job(some_tokens(400, 2), "b"), book);
  scheduler.add(line.job(some_tokens(24, 3), "c"), line);
  int line_began = 0;
  for (int step = 1; book.tokens == 0; ++step) {
    const int before = talking.tokens;
    ASSERT_TRUE(scheduler.step());
    EXPECT_EQ(talking.tokens, before + 1);  // in every step
    EXPECT_LE(scheduler.counts().last_prompt_rows, 16);
    if (line.tokens > 0 && line_began == 0) line_began = step;
  }
  EXPECT_GT(line_began, 0);
  EXPECT_LE(line_began, 5);  // 24 tokens by 8 rows, and the first branch in the step behind
}

// docs/serving.md gives this bound. Prompts are shared out between clients, then between those
// of one: who reads beside `others` gets at least this share of the rows.
TEST(BatchScheduler, AFirstTokenComesWithItsShareOfTheRows) {
  constexpr size_t kPromptRows = 16;
  constexpr size_t kLineTokens = 24;
  for (const bool is_busy : {false, true}) {
    for (const size_t others : {1u, 3u, 7u}) {
      for (const bool are_one_client : {false, true}) {
        const TinyReasoner tiny(engine_options(64 * 120));
        BatchScheduler scheduler(*tiny.engine, tiny.tokenizer,
                                 {.places = 12, .prompt_rows = kPromptRows});
        TextJob talking(tiny.tokenizer, 200, 1, 1);
        talking.be_greedy();
        if (is_busy) scheduler.add(talking.job(some_tokens(10, 1), "talking"), talking);
        while (is_busy && talking.tokens == 0) scheduler.step();
        std::vector<std::unique_ptr<TextJob>> books;
        for (size_t i = 0; i < others; ++i) {
          books.push_back(std::make_unique<TextJob>(tiny.tokenizer, 5, 1, i));
          scheduler.add(books[i]->job(some_tokens(400, 10 + i),
                                      are_one_client ? "reader" : std::to_string(i)),
                        *books[i]);
        }
        TextJob line(tiny.tokenizer, 5, 1, 3);
        scheduler.add(line.job(some_tokens(kLineTokens, 3), "reader"), line);
        size_t steps = 0;
        for (; line.tokens == 0; ++steps) ASSERT_TRUE(scheduler.step());
        const size_t share = (is_busy ? kPromptRows : 64) / (others + 1);
        EXPECT_LE(steps, (kLineTokens + share - 1) / share + 1)
            << is_busy << " " << others << " " << are_one_client;
      }
    }
  }
}

TEST(BatchScheduler, ClientsTakeTurns) {
  const TinyReasoner tiny(engine_options(64 * 40));
  BatchScheduler scheduler(*tiny.engine, tiny.tokenizer, {.places = 1});
  std::vector<std::unique_ptr<TextJob>> many;
  for (uint64_t i = 0; i < 6; ++i) {
    many.push_back(std::make_unique<TextJob>(tiny.tokenizer, 4, 1, i));
    scheduler.add(many.back()->job(some_tokens(10, i), "many"), *many.back());
  }
  ASSERT_TRUE(scheduler.step());
  // Who asks once more each time is no reason to forget the others, nor they to forget him.
  for (size_t turn = 1; turn + 1 < many.size(); ++turn) {
    TextJob one(tiny.tokenizer, 4, 1, 50 + turn);
    scheduler.add(one.job(some_tokens(10, 9), "one"), one);
    while (!one.over) ASSERT_TRUE(scheduler.step());
    const auto over =
        std::count_if(many.begin(), many.end(), [](const auto& job) { return job->over; });
    EXPECT_EQ(static_cast<size_t>(over), turn + 1);
  }
}

TEST(BatchScheduler, WithoutRoomForAllSomeWait) {
  const TinyReasoner roomy;
  TextJob expected(roomy.tokenizer, 100, 4, 7);
  run_alone(*roomy.engine, roomy.tokenizer, expected.job(some_tokens(100, 1)), expected);
  // Two blocks of prompt; a branch needs two more and a copy.
  const TinyReasoner tiny(engine_options(64 * 8));
  BatchScheduler scheduler(*tiny.engine, tiny.tokenizer, {.places = 4, .cache_tokens = 64 * 8});
  std::vector<std::unique_ptr<TextJob>> jobs;
  for (int i = 0; i < 3; ++i) {
    jobs.push_back(std::make_unique<TextJob>(tiny.tokenizer, 100, 4, 7));
    scheduler.add(jobs.back()->job(some_tokens(100, 1)), *jobs.back());
  }
  int32_t most = 0;
  while (scheduler.step()) most = std::max(most, scheduler.counts().branches);
  EXPECT_GE(most, 2);
  EXPECT_LT(most, 4);
  for (const auto& job : jobs) EXPECT_EQ(job->written(), expected.written());
  EXPECT_GT(jobs[2]->cached_tokens, 0);
}

TEST(BatchScheduler, WhatIsTooLargeByItselfEndsWithItsContext) {
  const TinyReasoner tiny(engine_options(64 * 2));
  TextJob long_one(tiny.tokenizer, 400, 2, 7);
  run_alone(*tiny.engine, tiny.tokenizer, long_one.job(some_tokens(20, 1)), long_one);
  EXPECT_TRUE(long_one.status);
  for (const Branch& branch : long_one.branches()) {
    if (branch.finish_reason() == FinishReason::stop) continue;
    EXPECT_EQ(branch.finish_reason(), FinishReason::context);
    EXPECT_GE(branch.sampled_tokens(), 64 - 20);
  }
  TextJob prompt(tiny.tokenizer, 4, 1, 7);
  run_alone(*tiny.engine, tiny.tokenizer, prompt.job(some_tokens(200, 1)), prompt);
  ASSERT_FALSE(prompt.status);
  EXPECT_EQ(prompt.status.error().code, ErrorCode::exhausted);
  EXPECT_EQ(tiny.engine->free_kv_tokens(), tiny.engine->options().kv_tokens);
}

TEST(BatchScheduler, AConversationIsGoneOnWithFromTheCache) {
  const TinyReasoner tiny(engine_options(64 * 40));
  BatchScheduler scheduler(*tiny.engine, tiny.tokenizer, {.cache_tokens = 64 * 20});
  TextJob first(tiny.tokenizer, 60, 1, 1);
  scheduler.add(first.job(some_tokens(150, 1)), first);
  while (scheduler.step()) {
  }
  std::vector<TokenId> more = some_tokens(150, 1);
  const auto reply = first.written()[0];
  more.insert(more.end(), reply.begin(), reply.end());
  const auto read = static_cast<int32_t>(more.size()) - 1;  // but for the last token
  more.push_back(5);
  TextJob second(tiny.tokenizer, 10, 1, 1);
  scheduler.add(second.job(more), second);
  while (scheduler.step()) {
  }
  EXPECT_EQ(first.cached_tokens, 0);
  EXPECT_EQ(second.cached_tokens, read);
  TextJob fresh(tiny.tokenizer, 10, 1, 1);
  run_alone(*tiny.engine, tiny.tokenizer, fresh.job(more), fresh);
  EXPECT_EQ(second.written(), fresh.written());
}

TEST(BatchScheduler, ABranchEndsOnceItsObserverHasEnough) {
  const TinyReasoner tiny;
  TextJob job(tiny.tokenizer, 50, 2, 3);
  job.enough_tokens = 4;
  run_alone(*tiny.engine, tiny.tokenizer, job.job(some_tokens(10, 1)), job);
  for (const Branch& branch : job.branches()) {
    EXPECT_LE(branch.sampled_tokens(), 4);
    EXPECT_EQ(branch.finish_reason(), FinishReason::stop);
  }
}

TEST(BatchScheduler, ACancelEndsAJobWithinAStep) {
  const TinyReasoner tiny(engine_options(64 * 40));
  BatchScheduler scheduler(*tiny.engine, tiny.tokenizer, {.places = 1, .cache_tokens = 64});
  TextJob drawing(tiny.tokenizer, 400, 1, 1);
  TextJob waiting(tiny.tokenizer, 400, 1, 2);
  drawing.be_greedy();
  waiting.be_greedy();
  scheduler.add(drawing.job(some_tokens(10, 1)), drawing);
  scheduler.add(waiting.job(some_tokens(10, 2)), waiting);
  for (int i = 0; i < 5; ++i) scheduler.step();
  drawing.cancel_after_tokens = 0;
  waiting.cancel_after_tokens = 0;
  EXPECT_FALSE(scheduler.step());
  EXPECT_TRUE(drawing.over && waiting.over);
  EXPECT_TRUE(drawing.status);
  EXPECT_EQ(drawing.branches()[0].finish_reason(), FinishReason::cancelled);
  ASSERT_FALSE(waiting.status);
  EXPECT_EQ(waiting.status.error().code, ErrorCode::cancelled);
  EXPECT_EQ(waiting.cached_tokens, -1);
}

}  // namespace
}  // namespace pith
