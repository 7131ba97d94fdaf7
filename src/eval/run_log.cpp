#include "eval/run_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mmap.h"
#include "io/json.h"

namespace pith {
namespace {

using nlohmann::ordered_json;

std::string line_of(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

Status check_header(const std::string& path, const ordered_json& header,
                    const ordered_json& settings) {
  const auto run = header.find("run");
  if (run == header.end() || !run->is_object()) {
    return fail(ErrorCode::usage, "{} is no log of such a run: name another output",
                printable(path, 400));
  }
  const std::string differences = differing_settings(*run, settings);
  if (differences.empty()) return {};
  return fail(ErrorCode::usage,
              "{} is the log of another run (different: {}): name another output, or remove it",
              printable(path, 400), differences);
}

// Hands over the entries. Returns how many bytes at the start of the file are whole lines.
Result<size_t> read_lines(const std::string& path, const ordered_json& settings,
                          FunctionRef<Status(const ordered_json&)> read) {
  PITH_TRY(const MappedFile file, MappedFile::open(path));
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  size_t begin = 0;
  size_t number = 0;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', begin)) {
    const ordered_json entry =
        ordered_json::parse(text.substr(begin, end - begin), nullptr, /*allow_exceptions=*/false);
    begin = end + 1;
    ++number;
    if (!entry.is_object()) {
      return fail(ErrorCode::corrupt, "{}, line {}: it is not a JSON object", printable(path, 400),
                  number);
    }
    PITH_TRY_VOID(number == 1 ? check_header(path, entry, settings) : read(entry));
  }
  return begin;
}

}  // namespace

Result<RunLog> RunLog::open(const std::string& path, const ordered_json& settings,
                            FunctionRef<Status(const ordered_json&)> read) {
  PITH_TRY(std::optional<FileLock> lock, FileLock::try_acquire(path));
  if (!lock) {
    return fail(ErrorCode::usage, "another process is writing {}", printable(path, 400));
  }
  PITH_TRY(const size_t whole_bytes, read_lines(path, settings, read));
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return fail_system("open", path, errno);
  if (ftruncate(fd.get(), static_cast<off_t>(whole_bytes)) != 0) {
    return fail_system("write", path, errno);
  }
  RunLog log(path, *std::move(lock), std::move(fd));
  if (whole_bytes == 0) PITH_TRY_VOID(log.append({{"run", settings}}));
  return log;
}

Status RunLog::append(const ordered_json& entry) {
  PITH_TRY_VOID(write_all(fd_.get(), line_of(entry), path_));
  if (fsync(fd_.get()) != 0) return fail_system("write", path_, errno);
  return {};
}

double json_number(float value) {
  const std::string text = fmt::format("{}", value);
  double number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace pith
