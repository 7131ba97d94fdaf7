// What a user hands to a command, checked before it is used.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pith::cli {

// More than any context holds.
inline constexpr uint64_t kMostQuestionBytes = uint64_t{16} << 20;

// All of standard input. Errors: io; usage (more than `most_bytes`).
Result<std::string> read_standard_input(uint64_t most_bytes = UINT64_MAX);

// A number from least to most, or nothing: NaN is none, nor is "0x10", nor "1.5" for a whole one.
template <class T>
std::optional<T> parse_number(std::string_view text, T least, T most) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good =
      error == std::errc() && end == text.data() + text.size() && value >= least && value <= most;
  return good ? std::optional<T>(value) : std::nullopt;
}

}  // namespace pith::cli
