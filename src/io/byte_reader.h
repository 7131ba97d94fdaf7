// A cursor over the bytes of a file that can never leave them.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/error.h"

namespace pith {

// Borrows the bytes. Each read names what it reads ("the length of key 3") for
// the error that follows when the bytes end too early.
class ByteReader {
 public:
  ByteReader(std::span<const uint8_t> bytes, std::string file)
      : bytes_(bytes), file_(std::move(file)) {}

  const std::string& file() const { return file_; }  // as messages show it
  uint64_t position() const { return position_; }
  uint64_t remaining() const { return bytes_.size() - position_; }

  // corrupt unless `count` items of at least `item_bytes` (1 or more) can still
  // follow: the check that comes before any allocation of `count` items.
  Status expect(uint64_t count, uint64_t item_bytes, std::string_view what) const {
    if (count <= remaining() / item_bytes) return {};
    uint64_t needed = 0;
    if (__builtin_mul_overflow(count, item_bytes, &needed)) needed = UINT64_MAX;
    return fail(ErrorCode::corrupt,
                "{}: cut short or damaged: {} at byte {} needs {} bytes, {} are left ({} missing)",
                file_, what, position_, needed, remaining(), needed - remaining());
  }

  // A little-endian number.
  template <class T>
  Result<T> number(std::string_view what) {
    static_assert(std::is_arithmetic_v<T>);
    PITH_TRY_VOID(expect(1, sizeof(T), what));
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  // A string: its length in 8 bytes, then its bytes. Borrows from the file.
  Result<std::string_view> string(std::string_view what) {
    PITH_TRY(const uint64_t length, number<uint64_t>(what));
    PITH_TRY_VOID(expect(length, 1, what));
    const auto* text = reinterpret_cast<const char*>(bytes_.data() + position_);
    position_ += length;
    return std::string_view(text, length);
  }

 private:
  std::span<const uint8_t> bytes_;
  std::string file_;
  uint64_t position_ = 0;
};

}  // namespace pith
