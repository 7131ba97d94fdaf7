// Processes that train one adapter together: each computes a share of every step, and what
// they found is added up, so that all of them take the same step. Data parallel; the ranks of
// MPI are one kind (train/mpi_ranks.h).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace pith::train {

// The calls that others are waited for in are made by all ranks in the same order. Each ends
// with the error `cancelled` where the wait was cancelled: the process was told to end, as it
// is when another one has died. One thread.
class Ranks {
 public:
  virtual ~Ranks() = default;
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  size_t rank() const { return rank_; }  // from 0
  size_t count() const { return count_; }
  size_t local_rank() const { return local_rank_; }  // among those of the same machine
  // It alone has the run's folder, and talks.
  bool is_first() const { return rank_ == 0; }
  // Whether part `part` of a step is this rank's.
  bool owns(size_t part) const { return part % count_ == rank_; }

  // What every rank has, by rank.
  virtual Result<std::vector<std::string>> gather(std::string own) = 0;
  // Sums over the ranks, the same bits in all of them.
  virtual Status sum(std::span<float> values, std::span<double> figures) = 0;
  // All is done, and all ranks come to an end.
  virtual Status finish() = 0;

  // What the first rank has; `own` counts there alone.
  Result<std::string> from_first(std::string own) {
    if (!is_first()) own.clear();
    PITH_TRY(std::vector<std::string> all, gather(std::move(own)));
    return std::move(all.front());
  }

 protected:
  Ranks(size_t rank, size_t count, size_t local_rank)
      : rank_(rank), count_(count), local_rank_(local_rank) {}

 private:
  size_t rank_;
  size_t count_;
  size_t local_rank_;
};

// A process by itself.
class OneRank : public Ranks {
 public:
  OneRank() : Ranks(0, 1, 0) {}

  Result<std::vector<std::string>> gather(std::string own) override {
    return std::vector<std::string>{std::move(own)};
  }
  Status sum(std::span<float> /*values*/, std::span<double> /*figures*/) override { return {}; }
  Status finish() override { return {}; }
};

}  // namespace pith::train
