// A fixed set of threads that meet at spinning barriers: an engine step has some
// hundreds of them, each a fraction of a microsecond.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

namespace pith {

// One caller at a time. The calling thread works too, so a pool of 1 starts no
// thread. Idle threads spin for a short while, then sleep.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // 1 or more (CHECKed)
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Runs body(thread) once on each thread, thread in [0, threads()); returns when
  // all are done. `body` must not throw. Not reentrant.
  void run(const std::function<void(int thread)>& body);

  // Within run(): waits until all threads of the pool are here.
  void barrier();

  // Runs body(begin, end) over [0, count) in pieces of at most `grain`, handed
  // out as threads get free. Which thread does what must not matter.
  void parallel_for(size_t count, size_t grain,
                    const std::function<void(size_t begin, size_t end)>& body);

 private:
  struct Impl;
  int threads_;
  std::unique_ptr<Impl> impl_;
};

// Cores this process may use (affinity and cgroup limits respected), at least 1.
int available_cores();

}  // namespace pith
