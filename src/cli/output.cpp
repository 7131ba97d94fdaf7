#include "cli/output.h"

#include <cerrno>
#include <cstdio>

namespace pith::cli {
namespace {

int g_failure = 0;  // errno of the first

void note(bool written) {
  if (!written && g_failure == 0) g_failure = errno;
}

}  // namespace

void print(std::string_view text) {
  note(std::fwrite(text.data(), 1, text.size(), stdout) == text.size());
}

void print_now(std::string_view text) {
  print(text);
  note(std::fflush(stdout) == 0);
}

bool output_failed() { return g_failure != 0; }

int finish_output() {
  note(std::fflush(stdout) == 0);
  // Help texts and the line editor write past print(); their reason is lost by now.
  if (g_failure == 0 && std::ferror(stdout) != 0) g_failure = EIO;
  return g_failure;
}

}  // namespace pith::cli
