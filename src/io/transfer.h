// What a long download tells its caller, and how the caller stops it.
#pragma once

#include <cstdint>
#include <functional>

#include "base/error.h"

namespace pith {

// Both are called from the thread that downloads, several times a second.
struct TransferHooks {
  // Bytes of the file that are there, and in all (0: not known yet).
  std::function<void(uint64_t done, uint64_t total)> progress = [](uint64_t, uint64_t) {};
  // Whether the user asked to stop.
  std::function<bool()> cancelled = [] { return false; };
};

inline tl::unexpected<Error> fail_cancelled() {
  return fail(ErrorCode::cancelled,
              "stopped; what was downloaded is kept: run the command again to go on");
}

}  // namespace pith
