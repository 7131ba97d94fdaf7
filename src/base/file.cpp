#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/progress.h"

namespace pith {
namespace {

constexpr int kNewFile = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;

ErrorCode code_of(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::not_found;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
      return ErrorCode::exhausted;
    default:
      return ErrorCode::io;
  }
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void UniqueFd::reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

std::string system_message(int error_number) {
  return std::error_code(error_number, std::generic_category()).message();
}

tl::unexpected<Error> fail_system(std::string_view verb, const std::string& path,
                                  int error_number) {
  const std::string reason = error_number == ELOOP ? "it is a symbolic link, which is not followed"
                                                   : system_message(error_number);
  return fail(code_of(error_number), "cannot {} {}: {}", verb, printable(path, 400), reason);
}

Status write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_system("write", path, errno);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Status publish_file(int fd, const std::string& temporary, const std::string& path) {
  if (fsync(fd) != 0) return fail_system("write", temporary, errno);
  if (rename(temporary.c_str(), path.c_str()) != 0) return fail_system("create", path, errno);
  const std::string folder = folder_of(path);
  const UniqueFd directory(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return fail_system("open", folder, errno);
  // Some file systems cannot flush a folder (EINVAL); the rename holds there all the same.
  if (fsync(directory.get()) != 0 && errno != EINVAL) return fail_system("write", folder, errno);
  return {};
}

Result<NewFile> NewFile::create(const std::string& path) {
  return create(path, fmt::format("{}.{}.tmp", path, getpid()));
}

Result<NewFile> NewFile::create(const std::string& path, std::string temporary) {
  UniqueFd fd(open(temporary.c_str(), kNewFile, 0644));
  if (!fd) return fail_system("create", temporary, errno);
  return NewFile(path, std::move(temporary), std::move(fd));
}

NewFile::~NewFile() {
  if (fd_) unlink(temporary_.c_str());
}

Status NewFile::append(std::string_view bytes) { return write_all(fd_.get(), bytes, path_); }

Status NewFile::publish() {
  PITH_TRY_VOID(publish_file(fd_.get(), temporary_, path_));
  fd_.reset();
  return {};
}

Status write_file(const std::string& path, std::string_view bytes) {
  PITH_TRY(NewFile file, NewFile::create(path));
  PITH_TRY_VOID(file.append(bytes));
  return file.publish();
}

Result<std::string> read_file(const std::string& path, uint64_t limit) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_system("open", path, errno);
  std::string text;
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_system("read", path, errno);
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(count));
    if (text.size() > limit) {
      return fail(ErrorCode::corrupt, "{} is longer than {} bytes", printable(path, 400), limit);
    }
  }
}

Status make_folders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return fail_system("make the folder", path, error.value());
  return {};
}

Result<uint64_t> free_disk_bytes(const std::string& folder) {
  struct statvfs info {};
  if (statvfs(folder.c_str(), &info) != 0) return fail_system("examine", folder, errno);
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

Status check_disk_space(const std::string& folder, uint64_t bytes) {
  PITH_TRY(const uint64_t free_bytes, free_disk_bytes(folder));
  if (bytes <= free_bytes) return {};
  return fail(ErrorCode::exhausted,
              "not enough disk space in {}: {} needed, {} free; make room, or set PITH_HOME to a "
              "folder on another disk",
              printable(folder, 400), format_bytes(bytes), format_bytes(free_bytes));
}

Result<std::optional<FileLock>> FileLock::try_acquire(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd) return fail_system("open", path, errno);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return FileLock(std::move(fd));
  if (errno == EWOULDBLOCK) return std::optional<FileLock>();
  return fail_system("lock", path, errno);
}

}  // namespace pith
