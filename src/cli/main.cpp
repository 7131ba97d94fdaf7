// `pith`: the command line. Parses, dispatches, turns the outcome into an exit status.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <string_view>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/report.h"
#include "pith/version.h"

namespace pith::cli {
namespace {

void add_commands(CLI::App& app, Context& context) {
  app.require_subcommand(1);
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.set_version_flag("--version", "pith " PITH_VERSION);
  add_ask(app, context);
  add_chat(app, context);
  add_pull(app, context);
  add_list(app, context);
  add_show(app, context);
  add_rm(app, context);
  add_tokenize(app, context);
  add_perplexity(app, context);
  add_bench(app, context);
  add_eval(app, context);
  add_sample(app, context);
  add_serve(app, context);
  add_describe(app, context);
}

// Help and version end with 0; every misuse of the command line with one line and 2.
int report_usage(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  const auto chosen = app.get_subcommands();
  const std::string command = chosen.empty() ? "" : " " + chosen[0]->get_name();
  std::string what = error.what();
  if (chosen.empty() && !app.remaining().empty()) {
    what = "there is no command '" + app.remaining()[0] + "'";
  }
  return report_error(
      {ErrorCode::usage, fmt::format("{} (see: pith{} --help)", printable(what, 400), command)});
}

// llama.cpp's name of an option that CLI11, which knows no long names with one dash, cannot have.
void rename_options(int argc, char** argv) {
  static char system[] = "--system";
  for (int i = 1; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    if (std::string_view(argv[i]) == "-sys") argv[i] = system;
  }
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

int run(int argc, char** argv) {
  CLI::App app{"pith makes small language models reason well on ordinary devices.", "pith"};
  Context context;
  add_commands(app, context);
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
}  // namespace pith::cli

int main(int argc, char** argv) {
  // A reader that goes away (pith list | head) and a file that grows past its limit
  // are errors of write(), not signals.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  pith::cli::open_standard_streams();
  pith::cli::rename_options(argc, argv);
  const int status = pith::cli::run(argc, argv);
  const int failure = pith::cli::finish_output();
  if (failure == 0) return status;
  if (failure != EPIPE) {
    pith::cli::report_error(
        {pith::ErrorCode::io, "cannot write to standard output: " + pith::system_message(failure)});
  }
  return status == 0 ? 1 : status;
}
