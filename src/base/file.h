// Files that are never seen half-written, locks between processes, free space.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace pith {

// Owns a file descriptor. Move-only.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

// The text of the system's last error (errno), for messages.
std::string system_message(int error_number);

// An Error for a system call on `path` that failed with `error_number`: "cannot
// VERB PATH: REASON". A full disk, quota or size limit is `exhausted`, a missing
// file `not_found`, anything else `io`.
tl::unexpected<Error> fail_system(std::string_view verb, const std::string& path, int error_number);

// Writes all of `bytes` at the descriptor's position. `path` is for messages.
Status write_all(int fd, std::string_view bytes, const std::string& path);

// Makes the finished file `temporary` the file `path`, in one step that survives
// a power cut: flush, rename, flush the folder. Both are in the same folder.
Status publish_file(int fd, const std::string& temporary, const std::string& path);

// A file that is written piece by piece and is there in full or not at all: it grows
// aside, and publish() gives it its name. Move-only; unless published, the
// destructor removes it.
class NewFile {
 public:
  static Result<NewFile> create(const std::string& path);
  // The same with a name until then that the caller chooses, in the same folder. For
  // callers of which there is one at a time: what a crash leaves, the next one overwrites.
  static Result<NewFile> create(const std::string& path, std::string temporary);
  NewFile(NewFile&& other) noexcept = default;
  NewFile& operator=(NewFile&& other) = delete;
  ~NewFile();

  Status append(std::string_view bytes);
  // The NewFile is spent afterwards.
  Status publish();

 private:
  NewFile(std::string path, std::string temporary, UniqueFd fd)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(std::move(fd)) {}

  std::string path_;
  std::string temporary_;
  UniqueFd fd_;  // empty once published or moved from
};

// A NewFile in one piece.
Status write_file(const std::string& path, std::string_view bytes);

// The whole content of a file. Errors: not_found, io, corrupt (longer than `limit` bytes).
Result<std::string> read_file(const std::string& path, uint64_t limit);

// Makes the folder and its parents.
Status make_folders(const std::string& path);

// Bytes that this user may still write in the folder.
Result<uint64_t> free_disk_bytes(const std::string& folder);

// Makes sure that the disk has room for `bytes` more in the folder of the models. Errors:
// exhausted, with what is needed and what is free.
Status check_disk_space(const std::string& folder, uint64_t bytes);

// A lock that one process at a time holds, tied to a small file that stays.
// Released by the destructor, or by the system when the process dies.
class FileLock {
 public:
  // Nothing when another holder has it. Does not wait.
  static Result<std::optional<FileLock>> try_acquire(const std::string& path);

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace pith
