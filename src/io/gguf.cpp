#include "io/gguf.h"

#include <algorithm>
#include <new>
#include <utility>

#include "io/gguf_parser.h"

namespace pith {
namespace {

// Parts are named NAME-00001-of-00003.gguf, counted from 1.
constexpr int64_t kMaxParts = 99999;

std::string part_suffix(int64_t number, int64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number + 1, count);
}

}  // namespace

uint64_t GgufTensor::elements() const {
  uint64_t product = 1;  // of sizes that the parser has multiplied without overflow
  for (const uint64_t size : shape) product *= size;
  return product;
}

uint64_t GgufTensor::rows() const { return elements() / shape[0]; }

Result<GgufFile> GgufFile::parse(std::span<const uint8_t> bytes, const std::string& name) {
  GgufFile file;
  file.path_ = name;
  file.file_bytes_ = bytes.size();
  PITH_TRY(auto part, parse_gguf_part(bytes, name));
  PITH_TRY_VOID(file.add(std::move(part)));
  return file;
}

Result<GgufFile> GgufFile::open(const std::string& path) {
  PITH_TRY(auto map, MappedFile::open(path));
  PITH_TRY(auto file, parse(map.bytes(), path));
  file.maps_.push_back(std::move(map));
  PITH_TRY_VOID(file.add_other_parts());
  return file;
}

Status GgufFile::add(GgufPart part) {
  try {
    for (GgufTensor& tensor : part.tensors) {
      if (!tensor_index_.emplace(tensor.name, tensors_.size()).second) {
        return corrupt(fmt::format("tensor '{}' is in two parts", printable(tensor.name)));
      }
      tensors_.push_back(std::move(tensor));
    }
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::exhausted, "{}: not enough memory to read its tensors", path_);
  }
  metadata_.merge(std::move(part.metadata));
  return {};
}

Status GgufFile::add_other_parts() {
  PITH_TRY(const int64_t count, integer_or("split.count", 1));
  PITH_TRY(const int64_t number, integer_or("split.no", 0));
  if (count < 0 || count > kMaxParts || number < 0 || number >= std::max<int64_t>(count, 1)) {
    return corrupt(fmt::format("split.no is {} and split.count is {}", number, count));
  }
  if (count <= 1) return {};
  const std::string suffix = part_suffix(number, count);
  if (!path_.ends_with(suffix)) {
    return corrupt(fmt::format("it is part {} of {} of a split model, so its name must end in {}",
                               number + 1, count, suffix));
  }
  const std::string stem = path_.substr(0, path_.size() - suffix.size());
  if (number != 0) {
    return fail(ErrorCode::usage, "{} is part {} of a split model; give the first part, {}",
                printable(path_), number + 1, printable(stem + part_suffix(0, count)));
  }
  for (int64_t i = 1; i < count; ++i) {
    PITH_TRY_VOID(add_split_part(stem + part_suffix(i, count), i, count));
  }
  const auto held = static_cast<int64_t>(tensors_.size());
  PITH_TRY(const int64_t expected, integer_or("split.tensors.count", held));
  if (held == expected) return {};
  return corrupt(fmt::format("its {} parts have {} tensors, split.tensors.count says {}", count,
                             held, expected));
}

Status GgufFile::add_split_part(const std::string& part_path, int64_t number, int64_t count) {
  auto map = MappedFile::open(part_path);
  if (!map && map.error().code == ErrorCode::not_found) {
    return fail(ErrorCode::not_found, "part {} of {} of the model is missing: {}", number + 1,
                count, printable(part_path));
  }
  if (!map) return tl::unexpected<Error>(map.error());
  PITH_TRY(auto part, parse(map->bytes(), part_path));
  PITH_TRY(const int64_t its_number, part.integer("split.no"));
  PITH_TRY(const int64_t its_count, part.integer("split.count"));
  if (its_number != number || its_count != count) {
    return part.corrupt(fmt::format("it says it is part {} of {}, by its name it is part {} of {}",
                                    its_number + 1, its_count, number + 1, count));
  }
  file_bytes_ += map->bytes().size();
  maps_.push_back(std::move(*map));
  return add({std::move(part.metadata_), std::move(part.tensors_)});
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

tl::unexpected<Error> GgufFile::corrupt(std::string_view what) const {
  return fail(ErrorCode::corrupt, "{}: {}", printable(path_), what);
}

// The value of a key as a T; `type_name` is what users call a T.
template <class T>
Result<const T*> GgufFile::typed(std::string_view key, std::string_view type_name) const {
  const GgufValue* value = find(key);
  if (value == nullptr)
    return corrupt(fmt::format("its metadata lack the key '{}'", printable(key)));
  const T* typed_value = std::get_if<T>(value);
  if (typed_value == nullptr)
    return corrupt(fmt::format("key '{}' is not {}", printable(key), type_name));
  return typed_value;
}

Result<int64_t> GgufFile::integer(std::string_view key) const {
  PITH_TRY(const auto* value, typed<int64_t>(key, "an integer"));
  return *value;
}

Result<int64_t> GgufFile::integer_or(std::string_view key, int64_t fallback) const {
  if (find(key) == nullptr) return fallback;
  return integer(key);
}

Result<double> GgufFile::number(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value != nullptr && std::holds_alternative<int64_t>(*value)) {
    return static_cast<double>(std::get<int64_t>(*value));
  }
  PITH_TRY(const auto* real, typed<double>(key, "a number"));
  return *real;
}

Result<double> GgufFile::number_or(std::string_view key, double fallback) const {
  if (find(key) == nullptr) return fallback;
  return number(key);
}

Result<std::string> GgufFile::string(std::string_view key) const {
  PITH_TRY(const auto* value, typed<std::string>(key, "a string"));
  return *value;
}

Result<std::string> GgufFile::string_or(std::string_view key, std::string_view fallback) const {
  if (find(key) == nullptr) return std::string(fallback);
  return string(key);
}

Result<bool> GgufFile::boolean_or(std::string_view key, bool fallback) const {
  if (find(key) == nullptr) return fallback;
  PITH_TRY(const auto* value, typed<bool>(key, "a boolean"));
  return *value;
}

Result<std::span<const std::string>> GgufFile::strings(std::string_view key) const {
  PITH_TRY(const auto* value, typed<std::vector<std::string>>(key, "a list of strings"));
  return std::span<const std::string>(*value);
}

Result<std::span<const int64_t>> GgufFile::integers(std::string_view key) const {
  PITH_TRY(const auto* value, typed<std::vector<int64_t>>(key, "a list of integers"));
  return std::span<const int64_t>(*value);
}

Result<std::span<const double>> GgufFile::numbers(std::string_view key) const {
  PITH_TRY(const auto* value, typed<std::vector<double>>(key, "a list of numbers"));
  return std::span<const double>(*value);
}

void GgufFile::drop(const GgufTensor& tensor) const {
  for (const MappedFile& map : maps_) {
    const std::span<const uint8_t> bytes = map.bytes();
    if (tensor.data.data() >= bytes.data() && tensor.data.data() < bytes.data() + bytes.size()) {
      map.drop(tensor.data);
    }
  }
}

}  // namespace pith
