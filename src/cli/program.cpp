#include "cli/program.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include "base/file.h"
#include "cli/output.h"
#include "cli/report.h"

namespace pith::cli {
namespace {

// Help and version end with 0; every misuse of the command line with one line and 2.
int report_usage(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  const auto chosen = app.get_subcommands();
  const std::string command = chosen.empty() ? "" : " " + chosen[0]->get_name();
  std::string what = error.what();
  if (chosen.empty() && !app.remaining().empty()) {
    what = "there is no command '" + app.remaining()[0] + "'";
  }
  return report_error({ErrorCode::usage, fmt::format("{} (see: {}{} --help)", printable(what, 400),
                                                     app.get_name(), command)});
}

// A standard stream that is closed would give its number to the next file that is
// opened, and messages would be written into that. What takes its place here refuses
// to be used: a standard input that can only be written, outputs that can only be read.
void open_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) != -1) continue;
    // The lowest free number is the missing one.
    [[maybe_unused]] const int same =
        open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // NOLINT(hicpp-vararg)
  }
}

int parse(CLI::App& app, const Context& context, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return report_usage(app, error);
  } catch (const std::bad_alloc&) {
    return report_error({ErrorCode::exhausted, "out of memory"});
  }
  return context.exit_status;
}

}  // namespace

int run_program(CLI::App& app, const Context& context, int argc, char** argv) {
  // A reader that goes away (pith list | head) and a file that grows past its limit
  // are errors of write(), not signals.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  open_standard_streams();
  const int status = parse(app, context, argc, argv);
  const int failure = finish_output();
  if (failure == 0) return status;
  if (failure != EPIPE) {
    report_error({ErrorCode::io, "cannot write to standard output: " + system_message(failure)});
  }
  return status == 0 ? 1 : status;
}

}  // namespace pith::cli
