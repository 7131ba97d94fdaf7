// The ranks of a job that mpirun started.
#pragma once

#include <functional>
#include <memory>

#include "base/error.h"
#include "train/ranks.h"

namespace pith::train {

// A process that no launcher started is alone. Waits for other ranks end when `cancelled`
// says so. Where the job is not finished (Ranks::finish) the process is to end with a status
// other than 0: mpirun then ends the others.
// Errors: unsupported (mpirun started it, but it was built without MPI), io (MPI).
Result<std::unique_ptr<Ranks>> open_ranks(std::function<bool()> cancelled);

}  // namespace pith::train
