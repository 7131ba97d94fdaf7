#include "io/part_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace pith {
Result<PartFile> PartFile::open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd) return fail_system("open", path, errno);
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return fail_system("examine", path, errno);
  if (!S_ISREG(info.st_mode)) {
    return fail(ErrorCode::io, "{} is not a plain file; move it away", printable(path, 400));
  }
  const auto size = static_cast<uint64_t>(info.st_size);
  if (lseek(fd.get(), 0, SEEK_END) < 0) return fail_system("read", path, errno);
  return PartFile(path, std::move(fd), size);
}

Status PartFile::check_space(uint64_t total_bytes, uint64_t extra_bytes) const {
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  return check_disk_space(folder, (total_bytes > size_ ? total_bytes - size_ : 0) + extra_bytes);
}

Status PartFile::append(std::span<const char> bytes) {
  PITH_TRY_VOID(hash_up_to_end());
  PITH_TRY_VOID(write_all(fd_.get(), {bytes.data(), bytes.size()}, path_));
  hash_.update(bytes.data(), bytes.size());
  size_ += bytes.size();
  hashed_ = size_;
  return {};
}

Status PartFile::truncate(uint64_t bytes) {
  PITH_CHECK(bytes <= size_);
  if (bytes == size_) return {};
  if (ftruncate(fd_.get(), static_cast<off_t>(bytes)) != 0) {
    return fail_system("write", path_, errno);
  }
  if (lseek(fd_.get(), 0, SEEK_END) < 0) return fail_system("read", path_, errno);
  size_ = bytes;
  hash_ = Sha256();
  hashed_ = 0;
  return {};
}

Result<std::string> PartFile::sha256() {
  PITH_TRY_VOID(hash_up_to_end());
  return hash_.hex();
}

Status PartFile::hash_up_to_end() {
  PITH_TRY_VOID(hash_file_range(fd_.get(), hashed_, size_, path_, hash_));
  hashed_ = size_;
  return {};
}

Status PartFile::publish(const std::string& final_path) {
  return publish_file(fd_.get(), path_, final_path);
}

void PartFile::discard() {
  fd_.reset();
  unlink(path_.c_str());
}

}  // namespace pith
