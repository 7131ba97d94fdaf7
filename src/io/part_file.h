// A file that is being downloaded. It grows under a name of its own and gets its
// final name in one step, when it is complete and checked.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "io/sha256.h"

namespace pith {

// Used from one thread, under the model's lock. What was written stays on disk
// until publish() or discard(), for a later run to go on from.
class PartFile {
 public:
  // Opens what an earlier run left, or an empty file. A symbolic link in its
  // place is refused. Errors: io, exhausted.
  static Result<PartFile> open(const std::string& path);

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }

  // Makes sure that the disk has room to grow to `total_bytes`, and `extra_bytes`
  // beside. Errors: exhausted, with what is needed and what is free.
  Status check_space(uint64_t total_bytes, uint64_t extra_bytes = 0) const;

  Status append(std::span<const char> bytes);
  // Cuts to `bytes`, which is at most size() (CHECKed).
  Status truncate(uint64_t bytes);
  // The hash of the whole content. Reads what an earlier run left once.
  Result<std::string> sha256();

  // Flushes, and renames to `final_path`, in the same folder. The PartFile is
  // spent afterwards.
  Status publish(const std::string& final_path);
  // Removes the file. The PartFile is spent afterwards.
  void discard();

 private:
  PartFile(std::string path, UniqueFd fd, uint64_t size)
      : path_(std::move(path)), fd_(std::move(fd)), size_(size) {}
  Status hash_up_to_end();

  std::string path_;
  UniqueFd fd_;
  uint64_t size_ = 0;
  Sha256 hash_;          // of the first hashed_ bytes
  uint64_t hashed_ = 0;  // behind size_ only for what an earlier run wrote
};

}  // namespace pith
