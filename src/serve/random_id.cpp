#include "serve/random_id.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <array>

#include "base/error.h"

namespace pith {
namespace {

// Up to 256 bytes come whole, once the system is up (getrandom(2)).
void fill_random(void* bytes, size_t count) {
  PITH_CHECK(getrandom(bytes, count, 0) == static_cast<ssize_t>(count));
}

}  // namespace

uint64_t random_bits() {
  uint64_t bits = 0;
  fill_random(&bits, sizeof(bits));
  return bits;
}

std::string random_id(std::string_view prefix) {
  std::array<unsigned char, 12> bytes;
  fill_random(bytes.data(), bytes.size());
  std::string id(prefix);
  for (const unsigned char byte : bytes) id += fmt::format("{:02x}", byte);
  return id;
}

}  // namespace pith
