// Times of steps: what is made of measurements, and how they are taken.
#include "reason/step_times.h"

#include <gtest/gtest.h>

#include <random>

#include "reason/fake_clock.h"
#include "reason/tiny_reasoner.h"

namespace pith {
namespace {

using testing::FakeClock;
using testing::some_tokens;
using testing::TinyReasoner;

TEST(StepTimes, NothingMeasuredTakesNoTime) { EXPECT_EQ(StepTimes(0.1).seconds(5, 100), 0); }

TEST(StepTimes, BetweenMeasuredNumbersOfRowsThereIsALine) {
  StepTimes times(0);
  times.add(8, 0, 0.8);
  times.add(1, 0, 0.1);
  EXPECT_DOUBLE_EQ(times.seconds(1, 0), 0.1);
  EXPECT_DOUBLE_EQ(times.seconds(8, 0), 0.8);
  EXPECT_DOUBLE_EQ(times.seconds(2, 0), 0.2);
  EXPECT_DOUBLE_EQ(times.seconds(16, 0), 1.6);
}

TEST(StepTimes, FewerRowsThanWereMeasuredTakeAsLong) {
  StepTimes times(0);
  times.add(4, 0, 0.4);
  EXPECT_DOUBLE_EQ(times.seconds(1, 0), 0.4);
}

TEST(StepTimes, TheMedianOfTheLastStepsCounts) {
  StepTimes times(0);
  for (const double seconds : {0.1, 9.0, 0.3, 0.2}) times.add(1, 0, seconds);
  EXPECT_DOUBLE_EQ(times.seconds(1, 0), 0.2);
  for (size_t i = 0; i < StepTimes::kKeptSteps; ++i) times.add(1, 0, 0.7);
  EXPECT_DOUBLE_EQ(times.seconds(1, 0), 0.7);
}

TEST(StepTimes, AttentionGrowsWithRowsAndContext) {
  const double share = 1e-3;
  StepTimes times(share);
  // Steps that do take 1 s and 0.1 s a row, attention included at the context they had.
  const double row = 0.1;
  times.add(100, 50, 100 * row);
  times.add(1, 200, 1);
  const double attention = share * row;
  EXPECT_NEAR(times.seconds(1, 200), 1, 1e-12);
  EXPECT_NEAR(times.seconds(1, 1200), 1 + 1000 * attention, 1e-12);
  EXPECT_NEAR(times.seconds(100, 0), 100 * row - 100 * 50 * attention, 1e-12);
}

TEST(StepTimes, NeverFallsWhateverWasMeasured) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> share(0, 1);
  for (int trial = 0; trial < 100; ++trial) {
    StepTimes times(share(random) * 0.01);
    const auto steps = 1 + random() % 10;
    for (size_t i = 0; i < steps; ++i) {
      times.add(1 + static_cast<int32_t>(random() % 40), share(random) * 500, share(random));
    }
    for (int32_t rows = 1; rows < 60; ++rows) {
      for (const double context : {0.0, 10.0, 1000.0}) {
        EXPECT_GE(times.seconds(rows, context), 0);
        EXPECT_GE(times.seconds(rows + 1, context), times.seconds(rows, context) - 1e-12);
        EXPECT_GE(times.seconds(rows, context + 1), times.seconds(rows, context));
      }
    }
  }
}

TEST(StepTimes, AttentionIsALittleOfTheWork) {
  TinyReasoner reasoner;
  const double share = attention_share(reasoner.engine->model().config());
  EXPECT_GT(share, 0);
  ModelConfig larger = reasoner.engine->model().config();
  larger.mlp_width *= 10;
  EXPECT_LT(attention_share(larger), share);
}

class MeasureStepsTest : public ::testing::Test {
 protected:
  MeasureStepsTest() : prompt_(*reasoner_.engine) {
    testing::must(reasoner_.engine->prefill(prompt_.id(), some_tokens(70, 1)));
  }

  Status measure(int32_t most_rows, double most_seconds) {
    return measure_steps(*reasoner_.engine, prompt_, 5, kNoAdapter, most_rows, most_seconds,
                         clock_.source(), clock_, times_);
  }

  TinyReasoner reasoner_;
  OwnedSequence prompt_;
  FakeClock clock_{0.5};
  StepTimes times_{0};
};

TEST_F(MeasureStepsTest, TakesStepsOfMoreAndMoreRows) {
  const int64_t free_before = reasoner_.engine->free_kv_tokens();
  ASSERT_TRUE(measure(11, 100));
  EXPECT_EQ(clock_.steps, 4);  // of 1, 4, 8 and 11 rows
  EXPECT_DOUBLE_EQ(times_.seconds(1, 0), 0.5);
  EXPECT_DOUBLE_EQ(times_.seconds(11, 0), 0.5);
  EXPECT_EQ(reasoner_.engine->free_kv_tokens(), free_before);
  EXPECT_EQ(reasoner_.engine->length(prompt_.id()), 70);
}

TEST_F(MeasureStepsTest, KeepsToItsTimeButForTheFirstStep) {
  times_.add(100, 0, 50);  // a row takes half a second
  ASSERT_TRUE(measure(256, 0));
  EXPECT_EQ(clock_.steps, 1);
  ASSERT_TRUE(measure(256, 3.5));  // 4 rows promise to take 2 s, and 8 rows then 2.6 s
  EXPECT_EQ(clock_.steps, 1 + 2);
}

TEST_F(MeasureStepsTest, ACancelIsHeard) {
  clock_.cancel_after_steps = 2;
  const Status status = measure(256, 100);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::cancelled);
  EXPECT_EQ(clock_.steps, 2);
}

TEST(MeasureSteps, AFullCacheEndsIt) {
  EngineOptions tight = TinyReasoner::roomy();
  tight.kv_tokens = 64 * 6;  // two blocks of the prompt, and four copies of the second
  TinyReasoner reasoner(tight);
  OwnedSequence prompt(*reasoner.engine);
  testing::must(reasoner.engine->prefill(prompt.id(), some_tokens(70, 1)));
  FakeClock clock(0.5);
  StepTimes times(0);
  ASSERT_TRUE(measure_steps(*reasoner.engine, prompt, 5, kNoAdapter, 64, 1000, clock.source(),
                            clock, times));
  EXPECT_DOUBLE_EQ(times.seconds(8, 0), 1.0);  // twice that of 4
}

}  // namespace
}  // namespace pith
