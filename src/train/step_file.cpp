#include "train/step_file.h"

#include <fcntl.h>

#include <cerrno>

namespace pith::train {
namespace {

constexpr uint64_t kMostFileBytes = uint64_t{1} << 30;

}  // namespace

Result<StepFile> StepFile::open(const std::string& path, std::string_view header, int64_t last_step,
                                FunctionRef<int64_t(std::string_view line)> step_of) {
  const Result<std::string> text = read_file(path, kMostFileBytes);
  if (!text && text.error().code != ErrorCode::not_found) {
    return tl::unexpected<Error>(text.error());
  }
  std::vector<std::string> lines;
  const std::string_view all = text ? std::string_view(*text) : std::string_view();
  for (size_t begin = 0, end = 0; (end = all.find('\n', begin)) != all.npos; begin = end + 1) {
    const std::string_view line = all.substr(begin, end - begin);
    if (begin == 0 && !header.empty() && line == header) continue;
    const int64_t step = step_of(line);
    if (step < 1) {
      return fail(ErrorCode::corrupt, "{}: a line is no step of training: {}", printable(path, 400),
                  printable(line, 60));
    }
    if (step <= last_step) lines.emplace_back(line);
  }

  std::string kept(header);
  if (!header.empty()) kept += '\n';
  for (const std::string& line : lines) kept += line + '\n';
  PITH_TRY_VOID(write_file(path, kept));
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return fail_system("open", path, errno);
  return StepFile(path, std::move(lines), std::move(fd));
}

Status StepFile::append(const std::string& line) {
  PITH_TRY_VOID(write_all(fd_.get(), line + '\n', path_));
  lines_.push_back(line);
  return {};
}

}  // namespace pith::train
