#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"

namespace pith {
namespace {

// Spins before a thread sleeps: about 100 us, several times the longest gap
// between two phases of a step, short against what a person notices in a fan.
constexpr int kSpins = 20000;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins, then sleeps, until `value` is no longer `old`; returns the new value.
uint32_t wait_for_change(const std::atomic<uint32_t>& value, uint32_t old) {
  for (int spin = 0; spin < kSpins; ++spin) {
    const uint32_t now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    relax();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

// A run: the caller publishes the body and raises `generation`; every worker
// sees the rise, runs the body and lowers `busy`. Each atomic has a cache line.
struct ThreadPool::Impl {
  alignas(64) std::atomic<uint32_t> generation{0};
  alignas(64) std::atomic<uint32_t> busy{0};
  alignas(64) std::atomic<size_t> next{0};
  alignas(64) const FunctionRef<void(int)>* body = nullptr;
  bool stopping = false;
  std::vector<std::thread> workers;

  void work(int thread) {
    uint32_t seen = 0;
    for (;;) {
      seen = wait_for_change(generation, seen);
      if (stopping) return;
      (*body)(thread);
      if (busy.fetch_sub(1, std::memory_order_acq_rel) == 1) busy.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int threads) : impl_(std::make_unique<Impl>()) {
  PITH_CHECK(threads >= 1);
  impl_->workers.reserve(static_cast<size_t>(threads - 1));
  for (int i = 1; i < threads; ++i) impl_->workers.emplace_back([this, i] { impl_->work(i); });
}

ThreadPool::~ThreadPool() {
  impl_->stopping = true;
  impl_->generation.fetch_add(1, std::memory_order_release);
  impl_->generation.notify_all();
  for (std::thread& worker : impl_->workers) worker.join();
}

int ThreadPool::threads() const { return static_cast<int>(impl_->workers.size()) + 1; }

void ThreadPool::run(FunctionRef<void(int)> body) {
  const auto others = static_cast<uint32_t>(impl_->workers.size());
  if (others > 0) {
    impl_->body = &body;
    impl_->busy.store(others, std::memory_order_relaxed);
    impl_->generation.fetch_add(1, std::memory_order_release);
    impl_->generation.notify_all();
  }
  body(0);
  for (uint32_t left = impl_->busy.load(std::memory_order_acquire); left != 0;) {
    left = wait_for_change(impl_->busy, left);
  }
}

void ThreadPool::parallel_for(size_t count, size_t grain,
                              FunctionRef<void(size_t, size_t, int)> body) {
  PITH_CHECK(grain > 0);
  if (count == 0) return;
  if (count <= grain || impl_->workers.empty()) {
    body(0, count, 0);
    return;
  }
  impl_->next.store(0, std::memory_order_relaxed);
  run([&](int thread) {
    for (;;) {
      const size_t begin = impl_->next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= count) return;
      body(begin, std::min(begin + grain, count), thread);
    }
  });
}

int available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = std::max(1, CPU_COUNT(&set));
  // cgroup v2: "QUOTA PERIOD" in microseconds, or "max PERIOD".
  std::ifstream limit("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (limit >> quota >> period && quota != "max" && period > 0) {
    const double share = std::strtod(quota.c_str(), nullptr) / period;
    if (share > 0) cores = std::min(cores, std::max(1, static_cast<int>(std::ceil(share))));
  }
  return cores;
}

}  // namespace pith
