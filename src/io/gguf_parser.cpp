// The file, front to back:
//   "GGUF" | version u32 | tensor count u64 | key count u64
//   keys:    name | type u32 | value                     (string: length u64 | bytes)
//   tensors: name | dimensions u32 | sizes u64 ... | type u32 | offset u64
//   padding to the alignment, then the data section that the offsets refer to.
#include "io/gguf_parser.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <new>
#include <numeric>
#include <string_view>

#include "io/byte_reader.h"

namespace pith {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint32_t kOldestVersion = 2;   // version 1 had 32-bit counts
constexpr uint32_t kNewestVersion = 3;
constexpr uint64_t kDefaultAlignment = 32;

// What no honest file exceeds. The first three bound the memory that a large
// hostile file can claim through us; the names are limits of the format.
constexpr uint64_t kMaxKeys = uint64_t{1} << 16;
constexpr uint64_t kMaxTensors = uint64_t{1} << 20;
constexpr uint64_t kMaxArrayElements = uint64_t{1} << 24;
constexpr uint64_t kMaxKeyBytes = (uint64_t{1} << 16) - 1;
constexpr uint64_t kMaxTensorNameBytes = 64;
constexpr uint32_t kMaxDimensions = 4;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;

constexpr size_t kShownPathBytes = 400;  // of a path in a message

// The least a key (length, one byte of name, type, one byte of value) and a tensor
// (length, name, one dimension, type, offset) take in the file.
constexpr uint64_t kMinKeyBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

enum class ValueType : uint32_t {
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

// A type of value: `Raw` as it lies in the file, `Wide` as GgufValue holds it.
template <class RawType, class WideType>
struct Element {
  using Raw = RawType;
  using Wide = WideType;
  static constexpr uint64_t kMinBytes = sizeof(Raw);
};

template <>
struct Element<std::string, std::string> {
  using Raw = std::string;
  using Wide = std::string;
  static constexpr uint64_t kMinBytes = 8;  // the length of an empty string
};

template <class Type>
Result<typename Type::Wide> read_element(ByteReader& reader, Type, std::string_view what) {
  using Raw = typename Type::Raw;
  if constexpr (std::is_same_v<Raw, std::string>) {
    PITH_TRY(const std::string_view text, reader.string(what));
    return std::string(text);
  } else if constexpr (std::is_same_v<Raw, bool>) {
    PITH_TRY(const uint8_t value, reader.number<uint8_t>(what));
    if (value > 1) {
      return fail(ErrorCode::corrupt, "{}: {} is {}, a boolean is 0 or 1", reader.file(), what,
                  value);
    }
    return value == 1;
  } else {
    PITH_TRY(const Raw value, reader.number<Raw>(what));
    if constexpr (std::is_same_v<Raw, uint64_t>) {
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return fail(ErrorCode::corrupt, "{}: {} is {}, larger than any number that makes sense",
                    reader.file(), what, value);
      }
    }
    return static_cast<typename Type::Wide>(value);
  }
}

// Calls visit(Element<Raw, Wide>{}) for the type, which is not an array.
template <class Visitor>
Result<GgufValue> visit_type(const ByteReader& reader, uint32_t type, std::string_view what,
                             Visitor visit) {
  switch (static_cast<ValueType>(type)) {
    case ValueType::u8:
      return visit(Element<uint8_t, int64_t>{});
    case ValueType::i8:
      return visit(Element<int8_t, int64_t>{});
    case ValueType::u16:
      return visit(Element<uint16_t, int64_t>{});
    case ValueType::i16:
      return visit(Element<int16_t, int64_t>{});
    case ValueType::u32:
      return visit(Element<uint32_t, int64_t>{});
    case ValueType::i32:
      return visit(Element<int32_t, int64_t>{});
    case ValueType::f32:
      return visit(Element<float, double>{});
    case ValueType::boolean:
      return visit(Element<bool, bool>{});
    case ValueType::string:
      return visit(Element<std::string, std::string>{});
    case ValueType::u64:
      return visit(Element<uint64_t, int64_t>{});
    case ValueType::i64:
      return visit(Element<int64_t, int64_t>{});
    case ValueType::f64:
      return visit(Element<double, double>{});
    case ValueType::array:
      return fail(ErrorCode::unsupported, "{}: {} is an array of arrays", reader.file(), what);
  }
  return fail(ErrorCode::corrupt, "{}: {} has the value type {}, which GGUF does not define",
              reader.file(), what, type);
}

Result<GgufValue> read_array(ByteReader& reader, std::string_view what) {
  PITH_TRY(const uint32_t type, reader.number<uint32_t>(what));
  PITH_TRY(const uint64_t count, reader.number<uint64_t>(what));
  return visit_type(reader, type, what, [&](auto element) -> Result<GgufValue> {
    PITH_TRY_VOID(reader.expect(count, element.kMinBytes, what));
    if (count > kMaxArrayElements) {
      return fail(ErrorCode::corrupt, "{}: {} has {} elements, more than {}", reader.file(), what,
                  count, kMaxArrayElements);
    }
    std::vector<typename decltype(element)::Wide> values;
    values.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
      PITH_TRY(auto value, read_element(reader, element, what));
      values.push_back(std::move(value));
    }
    return values;
  });
}

Result<GgufValue> read_value(ByteReader& reader, std::string_view what) {
  PITH_TRY(const uint32_t type, reader.number<uint32_t>(what));
  if (static_cast<ValueType>(type) == ValueType::array) return read_array(reader, what);
  return visit_type(reader, type, what, [&](auto element) -> Result<GgufValue> {
    PITH_TRY(auto value, read_element(reader, element, what));
    return GgufValue(std::move(value));
  });
}

struct Counts {
  uint64_t tensors;
  uint64_t keys;
};

Result<Counts> read_header(ByteReader& reader) {
  if (reader.remaining() < sizeof(kMagic)) {
    return fail(ErrorCode::corrupt, "{}: not a GGUF file: it has {} bytes", reader.file(),
                reader.remaining());
  }
  PITH_TRY(const uint32_t magic, reader.number<uint32_t>("the magic"));
  if (magic != kMagic) {
    return fail(ErrorCode::corrupt, "{}: not a GGUF file (it does not start with \"GGUF\")",
                reader.file());
  }
  PITH_TRY(const uint32_t version, reader.number<uint32_t>("the version"));
  if ((version & 0xffffu) == 0 && version != 0) {
    return fail(ErrorCode::unsupported, "{}: a big-endian GGUF file; use a little-endian one",
                reader.file());
  }
  if (version < kOldestVersion || version > kNewestVersion) {
    return fail(ErrorCode::unsupported, "{}: GGUF version {}, versions {} to {} can be read",
                reader.file(), version, kOldestVersion, kNewestVersion);
  }
  Counts counts = {};
  PITH_TRY(counts.tensors, reader.number<uint64_t>("the number of tensors"));
  PITH_TRY(counts.keys, reader.number<uint64_t>("the number of keys"));
  PITH_TRY_VOID(reader.expect(counts.keys, kMinKeyBytes, "the list of keys"));
  PITH_TRY_VOID(reader.expect(counts.tensors, kMinTensorBytes, "the list of tensors"));
  if (counts.keys > kMaxKeys || counts.tensors > kMaxTensors) {
    return fail(ErrorCode::corrupt, "{}: {} keys and {} tensors, more than {} and {}",
                reader.file(), counts.keys, counts.tensors, kMaxKeys, kMaxTensors);
  }
  return counts;
}

// Reads one key with its value into the metadata.
Status read_key(ByteReader& reader, GgufPart& part) {
  PITH_TRY(const std::string_view key, reader.string("the name of a key"));
  if (key.empty() || key.size() > kMaxKeyBytes) {
    return fail(ErrorCode::corrupt, "{}: a key of {} bytes before byte {}, 1 to {} are allowed",
                reader.file(), key.size(), reader.position(), kMaxKeyBytes);
  }
  const std::string what = fmt::format("the value of key '{}'", printable(key));
  PITH_TRY(auto value, read_value(reader, what));
  if (!part.metadata.emplace(key, std::move(value)).second) {
    return fail(ErrorCode::corrupt, "{}: key '{}' appears twice", reader.file(), printable(key));
  }
  return {};
}

Result<uint64_t> read_alignment(const ByteReader& reader, const GgufPart& part) {
  const auto found = part.metadata.find("general.alignment");
  if (found == part.metadata.end()) return kDefaultAlignment;
  const auto* value = std::get_if<int64_t>(&found->second);
  if (value == nullptr || *value <= 0 || !std::has_single_bit(static_cast<uint64_t>(*value)) ||
      static_cast<uint64_t>(*value) > kMaxAlignment) {
    return fail(ErrorCode::corrupt, "{}: general.alignment is not a power of two from 1 to {}",
                reader.file(), kMaxAlignment);
  }
  return static_cast<uint64_t>(*value);
}

// What the list of tensors says of one of them, checked in itself.
struct TensorEntry {
  GgufTensor tensor;    // without data
  uint64_t offset = 0;  // from the start of the data section
  uint64_t bytes = 0;
};

Status read_shape(ByteReader& reader, const std::string& what, GgufTensor& tensor) {
  PITH_TRY(const uint32_t dimensions, reader.number<uint32_t>(what));
  if (dimensions == 0 || dimensions > kMaxDimensions) {
    return fail(ErrorCode::corrupt, "{}: {} has {} dimensions, 1 to {} are allowed", reader.file(),
                what, dimensions, kMaxDimensions);
  }
  for (uint32_t i = 0; i < dimensions; ++i) {
    PITH_TRY(const uint64_t size, reader.number<uint64_t>(what));
    if (size == 0) {
      return fail(ErrorCode::corrupt, "{}: {} has a dimension of size 0", reader.file(), what);
    }
    tensor.shape.push_back(size);
  }
  return {};
}

Result<DType> read_type(ByteReader& reader, const std::string& what) {
  PITH_TRY(const uint32_t id, reader.number<uint32_t>(what));
  if (const auto type = dtype_from_id(id)) return *type;
  const std::string_view name = ggml_type_name(id);
  return fail(ErrorCode::unsupported,
              "{}: {} has {}, which cannot be run; use another quantization", reader.file(), what,
              name.empty() ? fmt::format("the unknown type {}", id) : fmt::format("type {}", name));
}

// The bytes of a tensor, every product checked.
Result<uint64_t> tensor_bytes(const ByteReader& reader, const std::string& what,
                              const GgufTensor& tensor) {
  const DTypeInfo& info = dtype_info(tensor.type);
  if (tensor.shape[0] % info.block_elements != 0) {
    return fail(ErrorCode::corrupt, "{}: {} has rows of {} elements, not a multiple of {}'s {}",
                reader.file(), what, tensor.shape[0], info.name, info.block_elements);
  }
  uint64_t elements = 1;
  uint64_t bytes = info.block_bytes;
  bool overflow = false;
  for (const uint64_t size : tensor.shape) {
    overflow |= __builtin_mul_overflow(elements, size, &elements);
  }
  overflow |= __builtin_mul_overflow(elements / info.block_elements, bytes, &bytes);
  if (overflow) {
    return fail(ErrorCode::corrupt, "{}: {} is larger than any file: {}", reader.file(), what,
                fmt::join(tensor.shape, " x "));
  }
  return bytes;
}

Result<TensorEntry> read_tensor(ByteReader& reader, uint64_t alignment) {
  TensorEntry entry;
  PITH_TRY(const std::string_view name, reader.string("the name of a tensor"));
  if (name.empty() || name.size() > kMaxTensorNameBytes) {
    return fail(ErrorCode::corrupt, "{}: a tensor's name of {} bytes before byte {}, not 1 to {}",
                reader.file(), name.size(), reader.position(), kMaxTensorNameBytes);
  }
  entry.tensor.name = name;
  const std::string what = fmt::format("tensor '{}'", printable(name));
  PITH_TRY_VOID(read_shape(reader, what, entry.tensor));
  PITH_TRY(entry.tensor.type, read_type(reader, what));
  PITH_TRY(entry.offset, reader.number<uint64_t>(what));
  PITH_TRY(entry.bytes, tensor_bytes(reader, what, entry.tensor));
  if (entry.offset % alignment != 0) {
    return fail(ErrorCode::corrupt, "{}: {} has the offset {}, not a multiple of the alignment {}",
                reader.file(), what, entry.offset, alignment);
  }
  return entry;
}

// corrupt when two tensors share bytes or share a name.
Status check_distinct(const ByteReader& reader, const std::vector<TensorEntry>& entries) {
  std::vector<const TensorEntry*> sorted;
  sorted.reserve(entries.size());
  for (const TensorEntry& entry : entries) sorted.push_back(&entry);
  const auto clash = [&](auto&& before, auto&& clashes, const char* how) -> Status {
    std::sort(sorted.begin(), sorted.end(), before);
    const auto found = std::adjacent_find(sorted.begin(), sorted.end(), clashes);
    if (found == sorted.end()) return {};
    return fail(ErrorCode::corrupt, "{}: tensors '{}' and '{}' {}", reader.file(),
                printable((*found)->tensor.name), printable((*std::next(found))->tensor.name), how);
  };
  PITH_TRY_VOID(clash([](auto* a, auto* b) { return a->tensor.name < b->tensor.name; },
                      [](auto* a, auto* b) { return a->tensor.name == b->tensor.name; },
                      "have the same name"));
  return clash([](auto* a, auto* b) { return a->offset < b->offset; },
               [](auto* a, auto* b) { return b->offset - a->offset < a->bytes; }, "overlap");
}

// Gives each tensor its bytes of the data section, which starts after the padding.
Status locate(const ByteReader& reader, std::span<const uint8_t> bytes, uint64_t alignment,
              std::vector<TensorEntry>& entries) {
  // The position lies in the file and the alignment is small: no overflow.
  const uint64_t data_start = (reader.position() + alignment - 1) / alignment * alignment;
  uint64_t file_end = 0;
  for (const TensorEntry& entry : entries) {
    uint64_t end = 0;
    if (__builtin_add_overflow(data_start, entry.offset, &end) ||
        __builtin_add_overflow(end, entry.bytes, &end)) {
      return fail(ErrorCode::corrupt, "{}: tensor '{}' has the offset {}, beyond any file",
                  reader.file(), printable(entry.tensor.name), entry.offset);
    }
    file_end = std::max(file_end, end);
  }
  if (file_end > bytes.size()) {
    return fail(ErrorCode::corrupt,
                "{}: cut short: {} bytes are missing (it has {} of {}); fetch it again",
                reader.file(), file_end - bytes.size(), bytes.size(), file_end);
  }
  PITH_TRY_VOID(check_distinct(reader, entries));
  for (TensorEntry& entry : entries) {
    entry.tensor.data = bytes.subspan(data_start + entry.offset, entry.bytes);
  }
  return {};
}

Result<GgufPart> parse(std::span<const uint8_t> bytes, const std::string& file) {
  ByteReader reader(bytes, printable(file, kShownPathBytes));
  GgufPart part;
  PITH_TRY(const Counts counts, read_header(reader));
  for (uint64_t i = 0; i < counts.keys; ++i) PITH_TRY_VOID(read_key(reader, part));
  PITH_TRY(const uint64_t alignment, read_alignment(reader, part));
  std::vector<TensorEntry> entries;
  entries.reserve(counts.tensors);
  for (uint64_t i = 0; i < counts.tensors; ++i) {
    PITH_TRY(auto entry, read_tensor(reader, alignment));
    entries.push_back(std::move(entry));
  }
  PITH_TRY_VOID(locate(reader, bytes, alignment, entries));
  part.tensors.reserve(entries.size());
  for (TensorEntry& entry : entries) part.tensors.push_back(std::move(entry.tensor));
  return part;
}

}  // namespace

Result<GgufPart> parse_gguf_part(std::span<const uint8_t> bytes, const std::string& file) {
  try {
    return parse(bytes, file);
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::exhausted, "{}: not enough memory to read its metadata",
                printable(file, kShownPathBytes));
  }
}

}  // namespace pith
