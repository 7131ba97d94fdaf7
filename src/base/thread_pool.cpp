#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <system_error>
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

// A phase: the caller fills in the job, then deals the pieces: each thread has a share,
// neighbouring pieces, which it takes from the front, so that it streams through memory;
// a thread that has done its own takes from the back of another's. Whoever takes a piece
// looks at the job only then: it cannot change before that piece is done. Each atomic
// has a cache line of its own.
struct ThreadPool::Impl {
  struct Job {
    size_t count;
    size_t grain;
    uint32_t pieces;
    const FunctionRef<void(size_t, size_t, int)>* body;
  };
  // Pieces [begin, end) that nobody has taken yet: begin in the high half.
  struct alignas(64) Share {
    std::atomic<uint64_t> pieces{0};
  };

  std::vector<Share> shares;                   // by thread
  alignas(64) std::atomic<uint32_t> done{0};   // pieces of this phase
  alignas(64) std::atomic<uint32_t> phase{0};  // what idle threads sleep on
  alignas(64) Job job{};
  std::atomic<bool> stopping{false};
  std::vector<std::thread> workers;

  explicit Impl(size_t threads) : shares(threads) {}

  void do_piece(uint32_t piece, int thread) {
    const size_t begin = piece * job.grain;
    (*job.body)(begin, std::min(begin + job.grain, job.count), thread);
    done.fetch_add(1, std::memory_order_release);
  }

  // Takes and does the pieces of a share until there are none.
  void work_off(Share& share, bool own, int thread) {
    uint64_t seen = share.pieces.load(std::memory_order_acquire);
    while (true) {
      const auto begin = static_cast<uint32_t>(seen >> 32);
      const auto end = static_cast<uint32_t>(seen);
      if (begin == end) return;
      const uint64_t left = own ? pack(begin + 1, end) : pack(begin, end - 1);
      if (!share.pieces.compare_exchange_weak(seen, left, std::memory_order_acq_rel,
                                              std::memory_order_acquire)) {
        continue;
      }
      do_piece(own ? begin : end - 1, thread);
      seen = share.pieces.load(std::memory_order_acquire);
    }
  }

  void work_off_all(int thread) {
    const size_t threads = shares.size();
    const auto own = static_cast<size_t>(thread);
    work_off(shares[own], true, thread);
    for (size_t i = 1; i < threads; ++i) work_off(shares[(own + i) % threads], false, thread);
  }

  static uint64_t pack(uint64_t begin, uint64_t end) { return begin << 32 | end; }

  void serve(int thread) {
    uint32_t seen = 0;
    while (!stopping.load(std::memory_order_acquire)) {
      work_off_all(thread);
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
    const uint64_t threads = shares.size();
    for (uint64_t i = 0; i < threads; ++i) {
      shares[i].pieces.store(pack(next.pieces * i / threads, next.pieces * (i + 1) / threads),
                             std::memory_order_release);
    }
    phase.fetch_add(1, std::memory_order_release);
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

ThreadPool::ThreadPool(int threads) {
  PITH_CHECK(threads >= 1);
  impl_ = std::make_unique<Impl>(static_cast<size_t>(threads));
  impl_->workers.reserve(static_cast<size_t>(threads - 1));
  try {
    for (int i = 1; i < threads; ++i) impl_->workers.emplace_back([this, i] { impl_->serve(i); });
  } catch (const std::system_error&) {
    // The shares of threads that could not be started are taken by the others.
  }
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
  impl_->work_off_all(0);
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
