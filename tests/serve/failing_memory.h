// Allocations that fail where a test wants it. The whole test program has this operator new.
#pragma once

#include <cstdint>

namespace pith::testing {

// The `count`-th allocation by this thread from now on throws std::bad_alloc, those behind it
// do not; 0: none does.
void fail_allocation(int64_t count);

// Of all threads, so far.
int64_t failed_allocations();

}  // namespace pith::testing
