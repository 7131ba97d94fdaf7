#include "support/gguf_writer.h"

#include <fstream>
#include <utility>

namespace pith {
namespace {

template <class T>
std::vector<uint8_t> payload_of(T value) {
  return ByteWriter().number(value).bytes();
}

}  // namespace

ByteWriter& ByteWriter::string(std::string_view text) {
  number(static_cast<uint64_t>(text.size()));
  bytes_.insert(bytes_.end(), text.begin(), text.end());
  return *this;
}

ByteWriter& ByteWriter::append(std::span<const uint8_t> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  return *this;
}

ByteWriter& ByteWriter::pad(uint64_t alignment) {
  bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
  return *this;
}

GgufWriter& GgufWriter::u32(std::string_view key, uint32_t value) {
  return raw(key, GgufType::u32, payload_of(value));
}

GgufWriter& GgufWriter::f32(std::string_view key, float value) {
  return raw(key, GgufType::f32, payload_of(value));
}

GgufWriter& GgufWriter::boolean(std::string_view key, bool value) {
  return raw(key, GgufType::boolean, payload_of<uint8_t>(value ? 1 : 0));
}

GgufWriter& GgufWriter::string(std::string_view key, std::string_view value) {
  return raw(key, GgufType::string, ByteWriter().string(value).bytes());
}

GgufWriter& GgufWriter::strings(std::string_view key, const std::vector<std::string>& values) {
  ByteWriter payload;
  payload.number(GgufType::string).number(static_cast<uint64_t>(values.size()));
  for (const std::string& value : values) payload.string(value);
  return raw(key, GgufType::array, payload.bytes());
}

GgufWriter& GgufWriter::i32s(std::string_view key, const std::vector<int32_t>& values) {
  ByteWriter payload;
  payload.number(GgufType::i32).number(static_cast<uint64_t>(values.size()));
  for (const int32_t value : values) payload.number(value);
  return raw(key, GgufType::array, payload.bytes());
}

GgufWriter& GgufWriter::raw(std::string_view key, GgufType type, std::span<const uint8_t> payload) {
  keys_.push_back({std::string(key), type, {payload.begin(), payload.end()}});
  return *this;
}

GgufWriter& GgufWriter::tensor(WriterTensor tensor) {
  tensors_.push_back(std::move(tensor));
  return *this;
}

GgufWriter& GgufWriter::floats(std::string_view name, std::vector<uint64_t> shape,
                               std::span<const float> values) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
  return tensor({std::string(name), std::move(shape), 0, {bytes, bytes + values.size_bytes()}, {}});
}

GgufWriter& GgufWriter::without_key(std::string_view key) {
  std::erase_if(keys_, [&](const Key& entry) { return entry.name == key; });
  return *this;
}

GgufWriter& GgufWriter::without_tensor(std::string_view name) {
  std::erase_if(tensors_, [&](const WriterTensor& tensor) { return tensor.name == name; });
  return *this;
}

std::vector<uint8_t> GgufWriter::bytes() const {
  ByteWriter file;
  ByteWriter data;
  file.number(magic).number(version);
  file.number(claimed_tensors.value_or(tensors_.size()))
      .number(claimed_keys.value_or(keys_.size()));
  for (const Key& key : keys_) file.string(key.name).number(key.type).append(key.payload);
  for (const WriterTensor& tensor : tensors_) {
    data.pad(alignment);
    file.string(tensor.name).number(static_cast<uint32_t>(tensor.shape.size()));
    for (const uint64_t size : tensor.shape) file.number(size);
    file.number(tensor.type).number(tensor.offset.value_or(data.bytes().size()));
    data.append(tensor.data);
  }
  if (!tensors_.empty()) file.pad(alignment);
  return file.append(data.bytes()).bytes();
}

bool GgufWriter::write(const std::string& path) const {
  const std::vector<uint8_t> content = bytes();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(content.data()),
             static_cast<std::streamsize>(content.size()));
  file.close();
  return !file.fail();
}

}  // namespace pith
