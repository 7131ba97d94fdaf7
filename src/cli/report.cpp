#include "cli/report.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "cli/style.h"

namespace pith::cli {

int report_error(const Error& error) {
  report_line(Style(STDERR_FILENO).paint(Colour::red, "pith: " + error.message));
  switch (error.code) {
    case ErrorCode::usage:
      return 2;
    case ErrorCode::cancelled:
      return 130;
    default:
      return 1;
  }
}

int exit_status_of(const Result<int>& end) { return end ? *end : report_error(end.error()); }

void report_line(std::string_view line) {
  const std::string whole = std::string(line) + "\n";
  std::fwrite(whole.data(), 1, whole.size(), stderr);
}

}  // namespace pith::cli
