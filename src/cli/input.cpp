#include "cli/input.h"

#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/file.h"

namespace pith::cli {

Result<std::string> read_standard_input(uint64_t most_bytes) {
  std::string text;
  std::vector<char> buffer(size_t{64} << 10);
  while (true) {
    const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count == 0) return text;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_system("read", "standard input", errno);
    text.append(buffer.data(), static_cast<size_t>(count));
    if (text.size() > most_bytes) {
      return fail(ErrorCode::usage, "more than {} MiB on standard input: no context holds that",
                  most_bytes >> 20);
    }
  }
}

}  // namespace pith::cli
