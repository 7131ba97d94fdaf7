#include "io/sha256.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/file.h"

namespace pith {

// OpenSSL's digest functions fail for want of memory or of the algorithm alone.
struct Sha256::Context {
  Context() : md(EVP_MD_CTX_new()) { PITH_CHECK(md != nullptr); }
  ~Context() { EVP_MD_CTX_free(md); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  EVP_MD_CTX* md;
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  PITH_CHECK(EVP_DigestInit_ex(context_->md, EVP_sha256(), nullptr) == 1);
}

Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(const void* data, size_t bytes) {
  PITH_CHECK(EVP_DigestUpdate(context_->md, data, bytes) == 1);
}

std::string Sha256::hex() const {
  const Context copy;
  PITH_CHECK(EVP_MD_CTX_copy_ex(copy.md, context_->md) == 1);
  std::array<unsigned char, 32> digest;
  PITH_CHECK(EVP_DigestFinal_ex(copy.md, digest.data(), nullptr) == 1);
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

Status hash_file_range(int fd, uint64_t begin, uint64_t end, const std::string& path,
                       Sha256& hash) {
  std::vector<char> buffer(std::min<uint64_t>(end - begin, uint64_t{1} << 20));
  while (begin < end) {
    const size_t wanted = std::min<uint64_t>(buffer.size(), end - begin);
    const ssize_t count = pread(fd, buffer.data(), wanted, static_cast<off_t>(begin));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_system("read", path, errno);
    if (count == 0) return fail(ErrorCode::io, "{} shrank while in use", printable(path, 400));
    hash.update(buffer.data(), static_cast<size_t>(count));
    begin += static_cast<uint64_t>(count);
  }
  return {};
}

Result<std::string> sha256_of_file(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_system("open", path, errno);
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return fail_system("examine", path, errno);
  Sha256 hash;
  PITH_TRY_VOID(hash_file_range(fd.get(), 0, static_cast<uint64_t>(info.st_size), path, hash));
  return hash.hex();
}

Result<std::vector<std::string>> sha256_of_files(const std::string& folder,
                                                 const std::vector<std::string>& names) {
  std::vector<std::string> hashes;
  for (const std::string& name : names) {
    PITH_TRY(std::string hash, sha256_of_file(folder + name));
    hashes.push_back(std::move(hash));
  }
  return hashes;
}

}  // namespace pith
