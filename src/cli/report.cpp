#include "cli/report.h"

#include <unistd.h>

#include <cstdio>

#include "base/terminal.h"

namespace pith::cli {

int report_error(const Error& error) {
  const bool colour = wants_colour(STDERR_FILENO);
  const std::string line = fmt::format("{}pith: {}{}\n", colour ? "\x1b[1;31m" : "", error.message,
                                       colour ? "\x1b[0m" : "");
  std::fwrite(line.data(), 1, line.size(), stderr);
  switch (error.code) {
    case ErrorCode::usage:
      return 2;
    case ErrorCode::cancelled:
      return 130;
    default:
      return 1;
  }
}

}  // namespace pith::cli
