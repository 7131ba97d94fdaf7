#include "cli/input.h"

#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/file.h"
#include "text/utf8.h"

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

Status check_utf8(std::string_view text, std::string_view what) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    if (c.state != Utf8Char::State::valid) {
      return fail(ErrorCode::usage, "{} is not valid UTF-8: byte {} is 0x{:02x}", what, at + 1,
                  static_cast<unsigned char>(text[at]));
    }
    at += c.length;
  }
  return {};
}

}  // namespace pith::cli
