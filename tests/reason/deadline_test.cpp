// Deadlines, on a clock that engine steps move on: nothing here takes real time.
#include "reason/deadline.h"

#include <gtest/gtest.h>

#include "reason/fake_clock.h"
#include "reason/self_consistency.h"
#include "reason/tiny_reasoner.h"

namespace pith {
namespace {

using testing::FakeClock;
using testing::some_tokens;
using testing::TinyReasoner;

constexpr double kStep = 0.05;    // seconds of a step
constexpr double kToken = 0.002;  // more for each token that is sampled

Clock::time_point at(double seconds) {
  return Clock::time_point(
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds)));
}

SelfConsistencyOptions asked(const FakeClock& clock, double seconds) {
  SelfConsistencyOptions options;
  options.branches = 6;
  options.budget_tokens = 400;
  options.sampling.temperature = 1.0f;
  options.sampling.seed = 7;
  options.stop_when_decided = false;
  options.deadline = Deadline{at(seconds), clock.source(), {}};
  return options;
}

Result<SelfConsistencyResult> run(TinyReasoner& reasoner, const SelfConsistencyOptions& options,
                                  DecodeObserver& observer) {
  return self_consistency(*reasoner.engine, reasoner.tokenizer, some_tokens(20, 1), options,
                          observer);
}

struct Runs {
  SelfConsistencyResult timed;
  SelfConsistencyResult free;  // the same without a deadline
};

Runs run_both(TinyReasoner& reasoner, double seconds) {
  FakeClock clock(kStep, kToken);
  auto options = asked(clock, seconds);
  auto timed = run(reasoner, options, clock).value();
  options.deadline.reset();
  return {std::move(timed), run(reasoner, options, clock).value()};
}

TEST(Deadline, IsKeptWithAnAnswerOfEveryBranch) {
  TinyReasoner reasoner;
  double last_accuracy = 0;
  for (const double seconds : {2.0, 4.0, 8.0, 16.0, 60.0}) {
    FakeClock clock(kStep, kToken);
    const auto result = run(reasoner, asked(clock, seconds), clock);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_LE(clock.seconds, seconds);
    ASSERT_TRUE(result->plan);
    EXPECT_EQ(result->branches.size(), static_cast<size_t>(result->plan->branches));
    for (const BranchResult& branch : result->branches) {
      EXPECT_FALSE(branch.answer.empty());
      EXPECT_LE(static_cast<int32_t>(branch.samples.size()),
                result->plan->budget_tokens + kForcedAnswerTokens);
    }
    EXPECT_GE(result->plan->accuracy, last_accuracy);
    last_accuracy = result->plan->accuracy;
  }
}

TEST(Deadline, MuchTimeChangesNothing) {
  TinyReasoner reasoner;
  const auto [timed, free] = run_both(reasoner, 1000);
  EXPECT_FALSE(free.plan);
  ASSERT_EQ(timed.branches.size(), free.branches.size());
  for (size_t i = 0; i < free.branches.size(); ++i) {
    EXPECT_EQ(timed.branches[i].text, free.branches[i].text);
    EXPECT_EQ(timed.branches[i].finish_reason, free.branches[i].finish_reason);
  }
}

// Whoever made the plan was told of steps that are several times as fast as the real ones.
TEST(Deadline, IsKeptWhenStepsTakeLongerThanThePlanSays) {
  struct Slowing : FakeClock {
    using FakeClock::FakeClock;
    void on_start(size_t) override { seconds_per_step *= 4; }
  };
  int cut_short = 0;
  for (const double seconds : {4.0, 8.0, 16.0, 32.0}) {
    TinyReasoner reasoner;
    Slowing clock(kStep, kToken);
    const auto result = run(reasoner, asked(clock, seconds), clock);
    ASSERT_TRUE(result);
    EXPECT_LE(clock.seconds, seconds);
    EXPECT_GE(clock.seconds, 0.5 * seconds);
    for (const BranchResult& branch : result->branches) {
      EXPECT_FALSE(branch.answer.empty());
      if (branch.finish_reason == FinishReason::deadline) ++cut_short;
    }
  }
  EXPECT_GT(cut_short, 0);
}

TEST(Deadline, ADeadlineThatHasPassedStillGetsAnAnswer) {
  TinyReasoner reasoner;
  for (const double seconds : {-1.0, 0.0, 0.04}) {
    FakeClock clock(kStep, kToken);
    const auto result = run(reasoner, asked(clock, seconds), clock);
    ASSERT_TRUE(result);
    ASSERT_EQ(result->branches.size(), 1u);
    EXPECT_FALSE(result->branches[0].answer.empty());
    EXPECT_EQ(result->plan->budget_tokens, 1);
    ASSERT_EQ(result->groups.size(), 1u);
    // The prompt, one step that is measured, and the answer's.
    EXPECT_LE(clock.steps, 2 + kForcedAnswerTokens);
  }
}

TEST(Deadline, BranchesAreTheBeginningsOfWhatTheyWouldBe) {
  TinyReasoner reasoner;
  const auto [timed, free] = run_both(reasoner, 8);
  const auto thought = static_cast<size_t>(timed.plan->budget_tokens) / 2;
  for (size_t i = 0; i < timed.branches.size(); ++i) {
    const auto& samples = timed.branches[i].samples;
    for (size_t t = 0; t < std::min(thought, samples.size()); ++t) {
      EXPECT_EQ(samples[t].token, free.branches[i].samples.at(t).token);
    }
  }
}

TEST(Deadline, ThePacksResultsOfTheVoteDecideThePlan) {
  TinyReasoner reasoner;
  PackResult point;
  point.mode = "on";
  point.vote = "majority";
  point.branches = 3;
  point.budget_tokens = 50;
  point.accuracy = 0.9;
  FakeClock clock(kStep, kToken);
  auto options = asked(clock, 100);
  options.deadline->results = {point};
  const auto result = run(reasoner, options, clock);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->plan->branches, 3);
  EXPECT_DOUBLE_EQ(result->plan->accuracy, 0.9);
}

TEST(Deadline, ALoneBranchMayBeSampledInItsOwnWay) {
  TinyReasoner reasoner;
  FakeClock clock(kStep, kToken);
  auto options = asked(clock, 0);
  options.lone_temperature = 0;
  const auto result = run(reasoner, options, clock);
  options.deadline.reset();
  options.branches = 1;
  options.budget_tokens = 1;
  options.sampling.temperature = 0;
  options.lone_temperature.reset();
  const auto greedy = run(reasoner, options, clock);
  ASSERT_TRUE(result && greedy);
  EXPECT_EQ(result->branches[0].text, greedy->branches[0].text);
}

TEST(Deadline, ACancelWhileStepsAreMeasuredIsAnError) {
  TinyReasoner reasoner;
  const int64_t free_before = reasoner.engine->free_kv_tokens();
  FakeClock clock(kStep, kToken);
  clock.cancel_after_steps = 1;  // of the prompt
  const auto result = run(reasoner, asked(clock, 10), clock);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::cancelled);
  EXPECT_EQ(reasoner.engine->free_kv_tokens(), free_before);
}

TEST(DeadlineKeeper, HurriesAsTheTimeRunsOut) {
  TinyReasoner reasoner;
  OwnedSequence prompt(*reasoner.engine);
  FakeClock clock(kStep);
  const Deadline deadline{at(10), clock.source(), {}};
  DeadlineKeeper keeper(deadline, *reasoner.engine);
  testing::must(reasoner.engine->prefill(prompt.id(), some_tokens(20, 1)));
  PlanLimits limits;
  limits.most_branches = 1;
  limits.most_budget_tokens = 1000;
  limits.prompt_tokens = 20;
  limits.closing_tokens = 10;
  ASSERT_TRUE(
      keeper.plan(*reasoner.engine, prompt, 5, kNoAdapter, limits, AccuracyCurve({}), clock));
  double first_answer = 0;
  double first_stop = 0;
  for (clock.seconds = 1; first_stop == 0; clock.seconds += kStep) {
    const Pace pace = keeper.pace({.rows = 1, .branches = 1, .context_tokens = 20});
    if (pace == Pace::answer && first_answer == 0) first_answer = clock.seconds;
    if (pace == Pace::stop) first_stop = clock.seconds;
  }
  // One step, the closing's 11 rows, of which only single ones were measured, and the answer.
  EXPECT_NEAR(first_answer, 10 - (1 + 11 + kPlannedAnswerTokens) * kStep, 1.1 * kStep);
  EXPECT_NEAR(first_stop, 10, 1.1 * kStep);
}

}  // namespace
}  // namespace pith
