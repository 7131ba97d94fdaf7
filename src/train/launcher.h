// Whether a launcher of MPI jobs started this process.
#pragma once

#include <cstdlib>

namespace pith::train {

// By what Open MPI, MPICH and those like it, and PMIx put into the environment.
inline bool is_started_by_launcher() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"}) {
    if (std::getenv(name) != nullptr) return true;
  }
  return false;
}

}  // namespace pith::train
