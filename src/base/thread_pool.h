// A fixed set of threads that share out small pieces of work: an engine step has
// some hundreds of phases, each a fraction of a millisecond.
#pragma once

#include <cstddef>
#include <memory>

#include "base/function_ref.h"

namespace pith {

// One caller at a time. The calling thread works too, so a pool of 1 starts no
// thread. Idle threads spin for a short while, then sleep.
//
// A phase waits for its pieces, not for its threads: a thread that the system
// does not run just now takes no piece and holds nobody up.
class ThreadPool {
 public:
  // 1 or more (CHECKed). Where the system gives no more threads, it is those that
  // could be had.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // Runs body(begin, end, thread) over [0, count) in pieces of at most `grain`; returns
  // when all are done. A thread does neighbouring pieces in order as far as it can, so
  // that a piece's memory is best followed by the next one's. `thread`
  // in [0, threads()) names scratch memory; which thread does what must not
  // matter to the result. `body` must not throw. Not reentrant.
  void parallel_for(size_t count, size_t grain,
                    FunctionRef<void(size_t begin, size_t end, int thread)> body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Cores this process may use (affinity and cgroup limits respected), at least 1.
int available_cores();

}  // namespace pith
