// Ranks that are threads of the test.
#pragma once

#include <barrier>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "train/ranks.h"

namespace pith::train::testing {

class ThreadRanks : public Ranks {
 public:
  // What the ranks of a job share.
  struct Job {
    explicit Job(size_t count)
        : barrier(static_cast<std::ptrdiff_t>(count)),
          texts(count),
          values(count),
          figures(count) {}

    std::barrier<> barrier;
    std::vector<std::string> texts;
    std::vector<std::span<float>> values;
    std::vector<std::span<double>> figures;
  };

  ThreadRanks(size_t rank, Job& job) : Ranks(rank, job.texts.size(), rank), job_(job) {}

  Result<std::vector<std::string>> gather(std::string own) override {
    job_.texts[rank()] = std::move(own);
    job_.barrier.arrive_and_wait();
    std::vector<std::string> all = job_.texts;
    job_.barrier.arrive_and_wait();
    return all;
  }

  Status sum(std::span<float> values, std::span<double> figures) override {
    job_.values[rank()] = values;
    job_.figures[rank()] = figures;
    job_.barrier.arrive_and_wait();
    const std::vector<float> all_values = summed(job_.values);
    const std::vector<double> all_figures = summed(job_.figures);
    job_.barrier.arrive_and_wait();
    std::copy(all_values.begin(), all_values.end(), values.begin());
    std::copy(all_figures.begin(), all_figures.end(), figures.begin());
    return {};
  }

  Status finish() override { return {}; }

 private:
  template <class T>
  static std::vector<T> summed(const std::vector<std::span<T>>& parts) {
    std::vector<T> sums(parts.front().begin(), parts.front().end());
    for (size_t rank = 1; rank < parts.size(); ++rank) {
      for (size_t i = 0; i < sums.size(); ++i) sums[i] += parts[rank][i];
    }
    return sums;
  }

  Job& job_;
};

// work(ranks) in as many threads.
inline void run_ranks(size_t count, const std::function<void(Ranks&)>& work) {
  ThreadRanks::Job job(count);
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < count; ++rank) {
    threads.emplace_back([&, rank] {
      ThreadRanks ranks(rank, job);
      work(ranks);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace pith::train::testing
