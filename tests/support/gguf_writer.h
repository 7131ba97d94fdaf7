// Writes GGUF files for tests: good ones with few words, and flawed ones too.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pith {

// Little-endian bytes, one after the other.
class ByteWriter {
 public:
  template <class T>
  ByteWriter& number(T value) {
    const size_t at = bytes_.size();
    bytes_.resize(at + sizeof(value));
    std::memcpy(bytes_.data() + at, &value, sizeof(value));
    return *this;
  }
  ByteWriter& string(std::string_view text);  // its length in 8 bytes, then its bytes
  ByteWriter& append(std::span<const uint8_t> bytes);
  ByteWriter& pad(uint64_t alignment);

  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

// GGUF's ids of value types.
enum class GgufType : uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

// One tensor as the file will tell of it, true or not.
struct WriterTensor {
  std::string name;
  std::vector<uint64_t> shape;
  uint32_t type = 0;  // ggml's id
  std::vector<uint8_t> data;
  std::optional<uint64_t> offset;  // instead of the true one
};

// Collects keys and tensors in order; bytes() lays them out. Nothing is checked,
// and what is public may be set to a lie.
class GgufWriter {
 public:
  GgufWriter& u32(std::string_view key, uint32_t value);
  GgufWriter& f32(std::string_view key, float value);
  GgufWriter& boolean(std::string_view key, bool value);
  GgufWriter& string(std::string_view key, std::string_view value);
  GgufWriter& strings(std::string_view key, const std::vector<std::string>& values);
  GgufWriter& i32s(std::string_view key, const std::vector<int32_t>& values);
  // Any value: `payload` is what follows the type in the file.
  GgufWriter& raw(std::string_view key, GgufType type, std::span<const uint8_t> payload);

  GgufWriter& tensor(WriterTensor tensor);
  GgufWriter& floats(std::string_view name, std::vector<uint64_t> shape,
                     std::span<const float> values);

  // Takes back what was added under a name.
  GgufWriter& without_key(std::string_view key);
  GgufWriter& without_tensor(std::string_view name);

  std::vector<uint8_t> bytes() const;
  bool write(const std::string& path) const;  // false when the file cannot be written

  uint32_t magic = 0x46554747;
  uint32_t version = 3;
  uint64_t alignment = 32;               // of the layout; the key general.alignment is the caller's
  std::optional<uint64_t> claimed_keys;  // instead of the true counts
  std::optional<uint64_t> claimed_tensors;

 private:
  struct Key {
    std::string name;
    GgufType type;
    std::vector<uint8_t> payload;
  };
  std::vector<Key> keys_;
  std::vector<WriterTensor> tensors_;
};

}  // namespace pith
