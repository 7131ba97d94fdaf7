// SHA-256, computed as the bytes go by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pith {

// One stream of bytes at a time. Move-only.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  void update(const void* data, size_t bytes);
  // Of all bytes so far, as 64 lower-case hexadecimal digits. More may follow.
  std::string hex() const;

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// Adds the bytes [begin, end) of an open file; its position stays. `path` is for
// messages. Errors: io, also when the file ends before.
Status hash_file_range(int fd, uint64_t begin, uint64_t end, const std::string& path, Sha256& hash);

// 64 lower-case hexadecimal digits.
inline bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

// Of a whole file. Errors: not_found, io.
Result<std::string> sha256_of_file(const std::string& path);
// Of each file `folder` + name. Errors: as above.
Result<std::vector<std::string>> sha256_of_files(const std::string& folder,
                                                 const std::vector<std::string>& names);

}  // namespace pith
