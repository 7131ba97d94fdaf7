#include "train/mpi_ranks.h"

#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>
#include <thread>

#include "train/launcher.h"

namespace pith::train {
namespace {

// Of a message: MPI counts with 31 bits.
constexpr size_t kMostBytes = std::numeric_limits<int>::max();
constexpr size_t kMostFloats = size_t{1} << 24;  // summed at a time

Status check(int status, const char* what) {
  if (status == MPI_SUCCESS) return {};
  char text[MPI_MAX_ERROR_STRING] = {};
  int size = 0;
  MPI_Error_string(status, text, &size);
  return fail(ErrorCode::io, "MPI could not {}: {}", what, printable(text, 300));
}

// Number of this process among those of its machine.
Result<size_t> find_local_rank() {
  MPI_Comm machine = MPI_COMM_NULL;
  int rank = 0;
  PITH_TRY_VOID(
      check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine),
            "find the ranks of this machine"));
  PITH_TRY_VOID(check(MPI_Comm_rank(machine, &rank), "say the rank"));
  PITH_TRY_VOID(check(MPI_Comm_free(&machine), "end a group"));
  return static_cast<size_t>(rank);
}

class MpiRanks : public Ranks {
 public:
  MpiRanks(size_t rank, size_t count, size_t local_rank, std::function<bool()> cancelled)
      : Ranks(rank, count, local_rank), cancelled_(std::move(cancelled)) {}

  Result<std::vector<std::string>> gather(std::string own) override {
    if (own.size() > kMostBytes) return too_much();
    own_ = std::move(own);
    own_size_ = static_cast<int>(own_.size());
    sizes_.resize(count());
    PITH_TRY_VOID(wait_for("gather sizes", [&](MPI_Request* request) {
      return MPI_Iallgather(&own_size_, 1, MPI_INT, sizes_.data(), 1, MPI_INT, MPI_COMM_WORLD,
                            request);
    }));
    if (std::accumulate(sizes_.begin(), sizes_.end(), size_t{0}) > kMostBytes) return too_much();
    starts_.resize(count());
    std::exclusive_scan(sizes_.begin(), sizes_.end(), starts_.begin(), 0);
    all_.resize(static_cast<size_t>(starts_.back() + sizes_.back()));
    PITH_TRY_VOID(wait_for("gather", [&](MPI_Request* request) {
      return MPI_Iallgatherv(own_.data(), own_size_, MPI_BYTE, all_.data(), sizes_.data(),
                             starts_.data(), MPI_BYTE, MPI_COMM_WORLD, request);
    }));
    std::vector<std::string> parts;
    for (size_t i = 0; i < count(); ++i) {
      parts.push_back(all_.substr(static_cast<size_t>(starts_[i]), static_cast<size_t>(sizes_[i])));
    }
    return parts;
  }

  Status sum(std::span<float> values, std::span<double> figures) override {
    for (size_t at = 0; at < values.size(); at += kMostFloats) {
      const std::span<float> part = values.subspan(at, std::min(kMostFloats, values.size() - at));
      PITH_TRY_VOID(sum_all(part.data(), part.size(), MPI_FLOAT));
    }
    return sum_all(figures.data(), figures.size(), MPI_DOUBLE);
  }

  Status finish() override {
    PITH_TRY_VOID(gather({}));
    return check(MPI_Finalize(), "end");
  }

 private:
  static tl::unexpected<Error> too_much() {
    return fail(ErrorCode::unsupported, "the ranks have more to tell each other than 2 GiB");
  }

  // By way of the first rank: MPI does not promise the same bits otherwise.
  Status sum_all(void* data, size_t size, MPI_Datatype type) {
    const auto elements = static_cast<int>(size);
    PITH_TRY_VOID(wait_for("sum up", [&](MPI_Request* request) {
      return MPI_Ireduce(is_first() ? MPI_IN_PLACE : data, is_first() ? data : nullptr, elements,
                         type, MPI_SUM, 0, MPI_COMM_WORLD, request);
    }));
    return wait_for("tell a sum", [&](MPI_Request* request) {
      return MPI_Ibcast(data, elements, type, 0, MPI_COMM_WORLD, request);
    });
  }

  // A call that is not waited for to its end is left as it is: the process ends then.
  template <class Begin>
  Status wait_for(const char* what, const Begin& begin) {
    using std::chrono::microseconds;
    MPI_Request request = MPI_REQUEST_NULL;
    PITH_TRY_VOID(check(begin(&request), what));
    for (microseconds pause{10};; pause = std::min(2 * pause, microseconds{2000})) {
      int done = 0;
      PITH_TRY_VOID(check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), what));
      if (done != 0) return {};
      if (cancelled_()) return fail(ErrorCode::cancelled, "stopped while waiting for other ranks");
      std::this_thread::sleep_for(pause);
    }
  }

  std::function<bool()> cancelled_;
  // Of gather(): what MPI may still look at when a wait was cancelled.
  std::string own_, all_;
  int own_size_ = 0;
  std::vector<int> sizes_, starts_;
};

}  // namespace

Result<std::unique_ptr<Ranks>> open_ranks(std::function<bool()> cancelled) {
  if (!is_started_by_launcher()) return std::make_unique<OneRank>();
  int provided = 0;
  PITH_TRY_VOID(check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "begin"));
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  int rank = 0;
  int count = 1;
  PITH_TRY_VOID(check(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "say the rank"));
  PITH_TRY_VOID(check(MPI_Comm_size(MPI_COMM_WORLD, &count), "count the ranks"));
  PITH_TRY(const size_t local_rank, find_local_rank());
  return std::make_unique<MpiRanks>(static_cast<size_t>(rank), static_cast<size_t>(count),
                                    local_rank, std::move(cancelled));
}

}  // namespace pith::train
