#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <limits>
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

}  // namespace

// A phase: the caller fills in the job, then opens `ticket`: the phase's number
// in the high half, the pieces that nobody has taken yet in the low half. Who
// lowers it owns a piece, and only then looks at the job, which cannot change
// before that piece is done. Each atomic has a cache line of its own.
struct ThreadPool::Impl {
  struct Job {
    size_t count;
    size_t grain;
    uint32_t pieces;
    const FunctionRef<void(size_t, size_t, int)>* body;
  };

  alignas(64) std::atomic<uint64_t> ticket{0};
  alignas(64) std::atomic<uint32_t> done{0};   // pieces of this phase
  alignas(64) std::atomic<uint32_t> phase{0};  // what idle threads sleep on
  alignas(64) Job job{};
  std::atomic<bool> stopping{false};
  std::vector<std::thread> workers;

  // Takes and does pieces until there are none.
  void work_off(int thread) {
    uint64_t seen = ticket.load(std::memory_order_acquire);
    while (static_cast<uint32_t>(seen) != 0) {
      if (!ticket.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
        continue;
      }
      const size_t begin = (job.pieces - static_cast<uint32_t>(seen)) * job.grain;
      (*job.body)(begin, std::min(begin + job.grain, job.count), thread);
      done.fetch_add(1, std::memory_order_release);
      seen = ticket.load(std::memory_order_acquire);
    }
  }

  void serve(int thread) {
    uint32_t seen = 0;
    while (!stopping.load(std::memory_order_acquire)) {
      work_off(thread);
      for (int spin = 0; spin < kSpins && phase.load(std::memory_order_acquire) == seen; ++spin) {
        relax();
      }
      phase.wait(seen, std::memory_order_acquire);
      seen = phase.load(std::memory_order_acquire);
    }
  }

  void open(const Job& next) {
    job = next;
    done.store(0, std::memory_order_relaxed);
    const uint32_t number = phase.load(std::memory_order_relaxed) + 1;
    ticket.store(uint64_t{number} << 32 | next.pieces, std::memory_order_release);
    phase.store(number, std::memory_order_release);
    phase.notify_all();
  }

  // Another thread may sit on a piece while the system runs something else.
  void wait_until_done() {
    for (int spin = 0; done.load(std::memory_order_acquire) != job.pieces; ++spin) {
      if (spin < kSpins)
        relax();
      else
        std::this_thread::yield();
    }
  }
};

ThreadPool::ThreadPool(int threads) : impl_(std::make_unique<Impl>()) {
  PITH_CHECK(threads >= 1);
  impl_->workers.reserve(static_cast<size_t>(threads - 1));
  for (int i = 1; i < threads; ++i) impl_->workers.emplace_back([this, i] { impl_->serve(i); });
}

ThreadPool::~ThreadPool() {
  impl_->stopping.store(true, std::memory_order_release);
  impl_->phase.fetch_add(1, std::memory_order_release);
  impl_->phase.notify_all();
  for (std::thread& worker : impl_->workers) worker.join();
}

int ThreadPool::threads() const { return static_cast<int>(impl_->workers.size()) + 1; }

void ThreadPool::parallel_for(size_t count, size_t grain,
                              FunctionRef<void(size_t, size_t, int)> body) {
  PITH_CHECK(grain > 0);
  if (count == 0) return;
  if (count <= grain || impl_->workers.empty()) {
    body(0, count, 0);
    return;
  }
  const size_t pieces = (count + grain - 1) / grain;
  PITH_CHECK(pieces <= std::numeric_limits<uint32_t>::max());
  impl_->open({count, grain, static_cast<uint32_t>(pieces), &body});
  impl_->work_off(0);
  impl_->wait_until_done();
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
