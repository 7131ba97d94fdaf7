// Numbers that differ when what they are of does, for the settings of runs.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/rng.h"

namespace pith::train {

// Of all that is added, in order. No protection from malice.
class Fingerprint {
 public:
  void add(uint64_t value) { hash_ = mix64(hash_ ^ value); }
  void add(const void* data, size_t bytes) {
    add(bytes);
    const auto* next = static_cast<const char*>(data);
    for (size_t left = bytes; left > 0;) {
      uint64_t word = 0;
      const size_t count = left < sizeof word ? left : sizeof word;
      std::memcpy(&word, next, count);
      add(word);
      next += count;
      left -= count;
    }
  }
  void add(const std::string& text) { add(text.data(), text.size()); }

  uint64_t value() const { return hash_; }
  std::string hex() const { return fmt::format("{:016x}", hash_); }

 private:
  uint64_t hash_ = 0;
};

}  // namespace pith::train
