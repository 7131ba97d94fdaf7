// GGUF files, mapped and checked. Every count, length, offset and type in the
// file is validated against the bytes that are there before it is used, so that
// a truncated, foreign or hostile file ends in one clear Error.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/mmap.h"
#include "tensor/dtype.h"

namespace pith {

struct GgufPart;  // io/gguf_parser.h

// A metadata value. Integers of all widths widen to int64 (uint64 values above
// int64's range are refused as corrupt); arrays are homogeneous.
using GgufValue = std::variant<bool, int64_t, double, std::string, std::vector<bool>,
                               std::vector<int64_t>, std::vector<double>, std::vector<std::string>>;

// A tensor of the file. `data` borrows from the GgufFile's mapping and holds
// exactly the tensor's bytes.
struct GgufTensor {
  std::string name;
  DType type = DType::f32;
  std::vector<uint64_t> shape;  // GGUF order: shape[0] is the contiguous row length
  std::span<const uint8_t> data;

  uint64_t elements() const;
  uint64_t rows() const;  // elements() / shape[0]
};

// Move-only; immutable once open, so reading from several threads is safe.
class GgufFile {
 public:
  // Opens a file, or all parts of a split model (NAME-00001-of-0000N.gguf) when
  // given the first one. Errors: not_found, io, corrupt (with the field and the
  // offset), unsupported (version, big-endian file, a tensor type we cannot read
  // named with its tensor, metadata nested too deep).
  static Result<GgufFile> open(const std::string& path);

  // The same parser over bytes in memory, for tests and fuzzers. The bytes must
  // outlive the file. `name` stands for the path in messages.
  static Result<GgufFile> parse(std::span<const uint8_t> bytes, const std::string& name);

  const std::string& path() const { return path_; }
  uint64_t file_bytes() const { return file_bytes_; }  // all parts together
  // The mapped files, the first part first; none after parse().
  const std::vector<MappedFile>& parts() const { return maps_; }

  // Keys in sorted order.
  const std::map<std::string, GgufValue, std::less<>>& metadata() const { return metadata_; }
  // Tensors in file order, those of later parts after those of earlier ones.
  const std::vector<GgufTensor>& tensors() const { return tensors_; }

  const GgufValue* find(std::string_view key) const;           // nullptr when absent
  const GgufTensor* find_tensor(std::string_view name) const;  // nullptr when absent

  // Typed access. Errors: corrupt, naming the key, when it is absent (no
  // fallback given) or of another type. Integers convert to double.
  Result<int64_t> integer(std::string_view key) const;
  Result<int64_t> integer_or(std::string_view key, int64_t fallback) const;
  Result<double> number(std::string_view key) const;
  Result<double> number_or(std::string_view key, double fallback) const;
  Result<std::string> string(std::string_view key) const;
  Result<std::string> string_or(std::string_view key, std::string_view fallback) const;
  Result<bool> boolean_or(std::string_view key, bool fallback) const;
  Result<std::span<const std::string>> strings(std::string_view key) const;
  Result<std::span<const int64_t>> integers(std::string_view key) const;
  Result<std::span<const double>> numbers(std::string_view key) const;

  // An error about this file's content, for those who read meaning into it.
  tl::unexpected<Error> corrupt(std::string_view what) const;

  // Lets the kernel drop the resident pages of one tensor (see MappedFile::drop).
  void drop(const GgufTensor& tensor) const;

 private:
  GgufFile() = default;
  // Joins one more part. corrupt: a tensor's name is taken by an earlier part.
  Status add(GgufPart part);
  // Maps, parses and joins part `number` (from 0) of `count`, and checks that it
  // is that part.
  Status add_split_part(const std::string& part_path, int64_t number, int64_t count);
  Status add_other_parts();
  template <class T>
  Result<const T*> typed(std::string_view key, std::string_view type_name) const;

  std::string path_;
  uint64_t file_bytes_ = 0;
  std::vector<MappedFile> maps_;
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, size_t, std::less<>> tensor_index_;
};

}  // namespace pith
