#include "base/mmap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace pith {
namespace {

constexpr size_t kShownPathBytes = 400;

tl::unexpected<Error> system_failure(const char* what, const std::string& path, int error) {
  const ErrorCode code = error == ENOENT || error == ENOTDIR ? ErrorCode::not_found : ErrorCode::io;
  return fail(code, "cannot {} {}: {}", what, printable(path, kShownPathBytes),
              std::generic_category().message(error));
}

// Closes a file descriptor at the end of its scope; the mapping outlives it.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  // O_NONBLOCK: a FIFO must end in the "not a regular file" below, not in a wait.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return system_failure("open", path, errno);
  struct stat info = {};
  if (::fstat(file.get(), &info) != 0) return system_failure("read", path, errno);
  if (!S_ISREG(info.st_mode)) {
    return fail(ErrorCode::io, "cannot read {}: {}", printable(path, kShownPathBytes),
                S_ISDIR(info.st_mode) ? "it is a folder" : "it is not a regular file");
  }
  const int64_t modified_ns = int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
  if (info.st_size == 0) return MappedFile(nullptr, 0, modified_ns);
  const auto size = static_cast<size_t>(info.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) return system_failure("map", path, errno);
  return MappedFile(static_cast<const uint8_t*>(data), size, modified_ns);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      modified_ns_(other.modified_ns_) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(modified_ns_, other.modified_ns_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<uint8_t*>(data_), size_);
}

Status MappedFile::populate() const {
  if (size_ == 0) return {};
  auto* data = const_cast<uint8_t*>(data_);
  ::madvise(data, size_, MADV_HUGEPAGE);  // a hint: without it, more TLB misses
  if (::madvise(data, size_, MADV_POPULATE_READ) == 0) return {};
  if (errno == EINVAL) return {};  // before Linux 5.14: pages come as they are read
  return fail(ErrorCode::io, "cannot read a mapped file: {}",
              std::generic_category().message(errno));
}

void MappedFile::drop(std::span<const uint8_t> range) const {
  PITH_CHECK(range.empty() || (range.data() >= data_ && range.size() <= size_ &&
                               static_cast<size_t>(range.data() - data_) <= size_ - range.size()));
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const auto offset = static_cast<size_t>(range.data() - data_);
  // Only whole pages: the neighbours on the first and the last page stay resident.
  const size_t begin = (offset + page - 1) / page * page;
  const size_t end = (offset + range.size()) / page * page;
  if (range.empty() || begin >= end) return;
  ::madvise(const_cast<uint8_t*>(data_) + begin, end - begin, MADV_DONTNEED);
}

}  // namespace pith
