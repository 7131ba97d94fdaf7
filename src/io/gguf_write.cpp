#include "io/gguf_write.h"

#include "base/file.h"

namespace pith {
namespace {

constexpr uint64_t kAlignment = 32;

// GGUF's ids of the types we write.
constexpr uint32_t kU32 = 4;
constexpr uint32_t kF32 = 6;
constexpr uint32_t kString = 8;
constexpr uint32_t kArray = 9;

uint64_t padding_after(uint64_t bytes) { return (kAlignment - bytes % kAlignment) % kAlignment; }

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_string(std::string& out, std::string_view text) {
  put(out, static_cast<uint64_t>(text.size()));
  out += text;
}

void put_value(std::string& out, const NewGgufValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    put(out, kString);
    put_string(out, *text);
  } else if (const auto* number = std::get_if<float>(&value)) {
    put(out, kF32);
    put(out, *number);
  } else {
    const auto& numbers = std::get<std::vector<uint32_t>>(value);
    put(out, kArray);
    put(out, kU32);
    put(out, static_cast<uint64_t>(numbers.size()));
    for (const uint32_t element : numbers) put(out, element);
  }
}

std::string header(std::span<const NewGgufKey> keys, std::span<const NewTensor> tensors) {
  std::string out = "GGUF";
  put(out, uint32_t{3});
  put(out, static_cast<uint64_t>(tensors.size()));
  put(out, static_cast<uint64_t>(keys.size()));
  for (const auto& [name, value] : keys) {
    put_string(out, name);
    put_value(out, value);
  }
  uint64_t offset = 0;
  for (const NewTensor& tensor : tensors) {
    put_string(out, tensor.name);
    put(out, static_cast<uint32_t>(tensor.shape.size()));
    for (const uint64_t size : tensor.shape) put(out, size);
    put(out, static_cast<uint32_t>(tensor.type));
    put(out, offset);
    offset += tensor.bytes() + padding_after(tensor.bytes());
  }
  out.append(padding_after(out.size()), '\0');
  return out;
}

}  // namespace

Status write_gguf(const std::string& path, std::span<const NewGgufKey> keys,
                  std::span<const NewTensor> tensors, TensorBytes bytes_of) {
  PITH_TRY(NewFile file, NewFile::create(path));
  PITH_TRY_VOID(file.append(header(keys, tensors)));
  for (size_t i = 0; i < tensors.size(); ++i) {
    PITH_TRY(std::vector<uint8_t> bytes, bytes_of(i));
    PITH_CHECK(bytes.size() == tensors[i].bytes());
    bytes.resize(bytes.size() + padding_after(bytes.size()));
    PITH_TRY_VOID(file.append({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  }
  return file.publish();
}

}  // namespace pith
