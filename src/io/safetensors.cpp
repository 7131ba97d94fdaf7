#include "io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/file.h"
#include "io/json.h"

namespace pith {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kLengthBytes = 8;
// An adapter's header has some tens of kilobytes; parsed, it takes some 20 times that.
constexpr uint64_t kMaxHeaderBytes = uint64_t{16} << 20;
constexpr size_t kMaxTensorDimensions = 8;

struct NamedType {
  std::string_view name;
  DType type;
};
constexpr NamedType kTypes[] = {
    {"F32", DType::f32}, {"F16", DType::f16}, {"BF16", DType::bf16}, {"I8", DType::i8}};

std::optional<DType> type_of(std::string_view name) {
  for (const NamedType& known : kTypes) {
    if (known.name == name) return known.type;
  }
  return std::nullopt;
}

std::string_view name_of(DType type) {
  for (const NamedType& known : kTypes) {
    if (known.type == type) return known.name;
  }
  PITH_CHECK(false);
}

// Reads one entry of the header; every error names the tensor.
class EntryReader {
 public:
  EntryReader(const SafetensorsFile& file, const std::string& name, const Json& entry)
      : file_(file), name_(name), entry_(entry) {}

  // `data`: all bytes behind the header.
  Result<SafetensorsTensor> read(std::span<const uint8_t> data) const {
    SafetensorsTensor tensor;
    tensor.name = name_;
    PITH_TRY(tensor.type, read_type());
    PITH_TRY(const Json* shape, list("shape", kMaxTensorDimensions));
    for (const Json& size : *shape) {
      PITH_TRY(const uint64_t number, whole_number("shape", size));
      tensor.shape.push_back(number);
    }
    PITH_TRY(const Json* offsets, list("data_offsets", 2));
    if (offsets->size() != 2) return bad("its 'data_offsets' are not two");
    PITH_TRY(const uint64_t begin, whole_number("data_offsets", (*offsets)[0]));
    PITH_TRY(const uint64_t end, whole_number("data_offsets", (*offsets)[1]));
    if (begin > end || end > data.size()) {
      return bad(
          fmt::format("its bytes are {} to {}, of {} that the file has: cut short or damaged",
                      begin, end, data.size()));
    }
    PITH_TRY(const uint64_t bytes, bytes_of(tensor));
    if (bytes != end - begin) {
      return bad(fmt::format("its shape [{}] in {} takes {} bytes, it has {}",
                             fmt::join(tensor.shape, ", "), name_of(tensor.type), bytes,
                             end - begin));
    }
    tensor.data = data.subspan(begin, bytes);
    return tensor;
  }

 private:
  tl::unexpected<Error> bad(std::string_view what) const {
    return file_.corrupt(fmt::format("tensor '{}': {}", printable(name_), what));
  }

  const Json* find(const char* key) const {
    const auto found = entry_.find(key);
    return found == entry_.end() ? nullptr : &*found;
  }

  Result<DType> read_type() const {
    const Json* type = find("dtype");
    if (type == nullptr || !type->is_string()) return bad("it has no 'dtype'");
    const auto& type_name = type->get_ref<const std::string&>();
    if (const auto known = type_of(type_name)) return *known;
    return fail(ErrorCode::unsupported,
                "{}: tensor '{}' has the type {}; F32, F16, BF16 and I8 can be read",
                printable(file_.path(), 400), printable(name_), printable(type_name));
  }

  Result<const Json*> list(const char* key, size_t most) const {
    const Json* value = find(key);
    if (value == nullptr || !value->is_array() || value->size() > most) {
      return bad(fmt::format("its '{}' is not a list of up to {} numbers", key, most));
    }
    return value;
  }

  Result<uint64_t> whole_number(const char* key, const Json& value) const {
    if (value.is_number_unsigned()) return value.get<uint64_t>();
    return bad(fmt::format("its '{}' has an element that is no whole number", key));
  }

  Result<uint64_t> bytes_of(const SafetensorsTensor& tensor) const {
    uint64_t bytes = dtype_info(tensor.type).block_bytes;
    bool overflow = false;
    for (const uint64_t size : tensor.shape) {
      overflow |= __builtin_mul_overflow(bytes, size, &bytes);
    }
    if (!overflow) return bytes;
    return bad(
        fmt::format("its shape [{}] is larger than any file", fmt::join(tensor.shape, ", ")));
  }

  const SafetensorsFile& file_;
  const std::string& name_;
  const Json& entry_;
};

// corrupt unless the tensors follow each other from the first byte to the last.
Status check_layout(const SafetensorsFile& file, std::span<const uint8_t> data) {
  std::vector<const SafetensorsTensor*> sorted;
  for (const auto& [name, tensor] : file.tensors()) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) {
    return std::pair(a->data.data(), a->data.size()) < std::pair(b->data.data(), b->data.size());
  });
  const uint8_t* next = data.data();
  for (const SafetensorsTensor* tensor : sorted) {
    if (tensor->data.data() != next) {
      return file.corrupt(
          fmt::format("tensor '{}' {}", printable(tensor->name),
                      tensor->data.data() < next ? "overlaps another" : "begins behind a gap"));
    }
    next += tensor->data.size();
  }
  const auto rest = static_cast<size_t>(data.data() + data.size() - next);
  if (rest == 0) return {};
  return file.corrupt(fmt::format("{} bytes at its end belong to no tensor", rest));
}

// The text of the JSON header.
Result<std::string_view> header_of(const SafetensorsFile& file, std::span<const uint8_t> bytes) {
  if (bytes.size() < kLengthBytes) {
    return file.corrupt(fmt::format("not a safetensors file: it has {} bytes", bytes.size()));
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  const std::string_view rest(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes,
                              bytes.size() - kLengthBytes);
  if (length > kMaxHeaderBytes || rest.empty() || rest.front() != '{') {
    return file.corrupt("not a safetensors file (no JSON header at its start)");
  }
  if (length > rest.size()) {
    return file.corrupt(
        fmt::format("cut short: its header has {} bytes, {} are there", length, rest.size()));
  }
  return rest.substr(0, length);
}

}  // namespace

Status SafetensorsFile::read(std::span<const uint8_t> bytes) {
  PITH_TRY(const std::string_view text, header_of(*this, bytes));
  PITH_TRY(const Json header, parse_json<Json>(text, path_));
  const std::span<const uint8_t> data = bytes.subspan(kLengthBytes + text.size());
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    if (!entry.is_object()) {
      return corrupt(fmt::format("tensor '{}' is not described by an object", printable(name)));
    }
    PITH_TRY(SafetensorsTensor tensor, EntryReader(*this, name, entry).read(data));
    tensors_.emplace(name, std::move(tensor));
  }
  return check_layout(*this, data);
}

Result<SafetensorsFile> SafetensorsFile::parse(std::span<const uint8_t> bytes,
                                               const std::string& name) {
  SafetensorsFile file;
  file.path_ = name;
  try {
    PITH_TRY_VOID(file.read(bytes));
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::exhausted, "{}: not enough memory to read its header",
                printable(name, 400));
  }
  return file;
}

Result<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  PITH_TRY(auto map, MappedFile::open(path));
  PITH_TRY(auto file, parse(map.bytes(), path));
  file.maps_.push_back(std::move(map));
  return file;
}

const SafetensorsTensor* SafetensorsFile::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

tl::unexpected<Error> SafetensorsFile::corrupt(std::string_view what) const {
  return fail(ErrorCode::corrupt, "{}: {}", printable(path_, 400), what);
}

Status write_safetensors(const std::string& path, std::span<const NewTensor> tensors,
                         TensorBytes bytes_of) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  uint64_t offset = 0;
  for (const NewTensor& tensor : tensors) {
    header[tensor.name] = {{"dtype", name_of(tensor.type)},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + tensor.bytes()}}};
    offset += tensor.bytes();
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');  // tensors start at a multiple of 8
  const uint64_t length = text.size();

  PITH_TRY(NewFile file, NewFile::create(path));
  PITH_TRY_VOID(file.append({reinterpret_cast<const char*>(&length), sizeof length}));
  PITH_TRY_VOID(file.append(text));
  for (size_t i = 0; i < tensors.size(); ++i) {
    PITH_TRY(const std::vector<uint8_t> bytes, bytes_of(i));
    PITH_CHECK(bytes.size() == tensors[i].bytes());
    PITH_TRY_VOID(file.append({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  }
  return file.publish();
}

}  // namespace pith
