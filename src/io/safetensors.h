// Safetensors files, mapped and checked: a length of 8 bytes, a JSON header of that
// length, then the tensors' bytes without a gap. Nothing in the file is used before
// it has been held against the bytes that are there.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/mmap.h"
#include "io/new_tensor.h"
#include "tensor/dtype.h"

namespace pith {

// `data` borrows from the SafetensorsFile's mapping, at any alignment.
struct SafetensorsTensor {
  std::string name;
  DType type = DType::f32;      // f32, f16, bf16 or i8
  std::vector<uint64_t> shape;  // outermost first: [rows, length of a row] for a matrix
  std::span<const uint8_t> data;
};

// Move-only; immutable once open, so reading from several threads is safe.
class SafetensorsFile {
 public:
  // Errors: not_found, io, corrupt (what is wrong, in which tensor), unsupported (an
  // element type other than F32, F16, BF16 and I8).
  static Result<SafetensorsFile> open(const std::string& path);

  // The same parser over bytes in memory, for tests and fuzzers. The bytes must
  // outlive the file. `name` stands for the path in messages.
  static Result<SafetensorsFile> parse(std::span<const uint8_t> bytes, const std::string& name);

  const std::string& path() const { return path_; }
  // By name.
  const std::map<std::string, SafetensorsTensor, std::less<>>& tensors() const { return tensors_; }
  const SafetensorsTensor* find(std::string_view name) const;  // nullptr when absent

  // An error about this file's content, for those who read meaning into it.
  tl::unexpected<Error> corrupt(std::string_view what) const;

 private:
  SafetensorsFile() = default;
  Status read(std::span<const uint8_t> bytes);

  std::string path_;
  std::vector<MappedFile> maps_;  // one, or none for bytes in memory
  std::map<std::string, SafetensorsTensor, std::less<>> tensors_;
};

// Writes a file that is there in full or not at all, with the one entry of metadata
// that libraries look for ("format": "pt"). Types f32, f16, bf16 and i8 (CHECKed).
// Errors: io, exhausted, those of `bytes_of`.
Status write_safetensors(const std::string& path, std::span<const NewTensor> tensors,
                         TensorBytes bytes_of);

}  // namespace pith
