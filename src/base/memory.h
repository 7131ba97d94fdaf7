#pragma once

#include <cstddef>

namespace pith {

// What the system says can still be given out without swapping; unlimited if unknown.
size_t available_memory();

}  // namespace pith
