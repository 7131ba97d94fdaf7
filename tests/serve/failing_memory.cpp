#include "serve/failing_memory.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace pith::testing {
namespace {

thread_local int64_t left_to_failure = 0;
std::atomic<int64_t> failures = 0;

}  // namespace

void fail_allocation(int64_t count) { left_to_failure = count; }

int64_t failed_allocations() { return failures; }

static void* allocate(size_t bytes) {
  if (left_to_failure > 0 && --left_to_failure == 0) {
    ++failures;
    throw std::bad_alloc();
  }
  if (void* memory = std::malloc(bytes > 0 ? bytes : 1)) return memory;
  throw std::bad_alloc();
}

}  // namespace pith::testing

// All forms of it: those of a sanitizer would not fit ours.
void* operator new(size_t bytes) { return pith::testing::allocate(bytes); }
void* operator new[](size_t bytes) { return pith::testing::allocate(bytes); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return pith::testing::allocate(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new[](size_t bytes, const std::nothrow_t& tag) noexcept {
  return operator new(bytes, tag);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
