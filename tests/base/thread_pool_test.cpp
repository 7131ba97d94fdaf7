#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "base/thread_pool.h"

namespace pith {
namespace {

TEST(ThreadPool, DoesEveryPieceOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{7}, size_t{1000}}) {
      for (const size_t grain : {size_t{1}, size_t{3}, size_t{2000}}) {
        std::vector<std::atomic<int>> seen(count);
        pool.parallel_for(count, grain, [&](size_t begin, size_t end, int thread) {
          EXPECT_GE(thread, 0);
          EXPECT_LT(thread, threads);
          for (size_t i = begin; i < end; ++i) ++seen[i];
        });
        for (size_t i = 0; i < count; ++i) EXPECT_EQ(seen[i], 1) << i << " of " << count;
      }
    }
  }
}

// Phases follow each other without a gap; every one sees what the last one wrote.
TEST(ThreadPool, PhasesAreOrdered) {
  ThreadPool pool(4);
  std::vector<int> values(64, 0);
  for (int phase = 0; phase < 5000; ++phase) {
    pool.parallel_for(values.size(), 1, [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i) {
        ASSERT_EQ(values[i], phase);
        ++values[i];
      }
    });
  }
}

TEST(ThreadPool, WakesFromSleep) {
  ThreadPool pool(3);
  std::atomic<int> sum{0};
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    pool.parallel_for(100, 1, [&](size_t, size_t, int) { ++sum; });
  }
  EXPECT_EQ(sum, 500);
}

TEST(ThreadPool, ThereIsAtLeastOneCore) { EXPECT_GE(available_cores(), 1); }

}  // namespace
}  // namespace pith
