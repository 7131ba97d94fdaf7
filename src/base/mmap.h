// A file mapped read-only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/error.h"

namespace pith {

// Owns the mapping; the spans it hands out are valid for its lifetime.
// Move-only. Reading from several threads is safe.
class MappedFile {
 public:
  // Errors: not_found (no such file), io (a directory, no permission, mmap failed).
  // An empty file maps to an empty span.
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const uint8_t> bytes() const { return {data_, size_}; }
  // When the file was last changed, as of open(): nanoseconds since 1970.
  int64_t modified_ns() const { return modified_ns_; }

  // Brings the whole file into memory, in its order, in huge pages where the system has
  // them: reads do not wait for it later. Errors: io (the disk failed, the file shrank).
  Status populate() const;

  // Tells the kernel that the pages of `range` are not needed for now: resident
  // memory falls, the next read brings them back from the file.
  void drop(std::span<const uint8_t> range) const;

 private:
  MappedFile(const uint8_t* data, size_t size, int64_t modified_ns)
      : data_(data), size_(size), modified_ns_(modified_ns) {}
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
  int64_t modified_ns_ = 0;
};

}  // namespace pith
