// Where pith-train was built without MPI.
#include "train/launcher.h"
#include "train/mpi_ranks.h"

namespace pith::train {

Result<std::unique_ptr<Ranks>> open_ranks(std::function<bool()> /*cancelled*/) {
  if (is_started_by_launcher()) {
    return fail(ErrorCode::unsupported,
                "this pith-train was built without MPI; where Open MPI is installed, './setup "
                "--train' in pith's sources builds it with that");
  }
  return std::make_unique<OneRank>();
}

}  // namespace pith::train
