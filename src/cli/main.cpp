// `pith`: the command line. Parses, dispatches, turns the outcome into an exit status.
#include <signal.h>

#include <cerrno>
#include <cstdio>
#include <new>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/report.h"
#include "pith/version.h"

namespace pith::cli {
namespace {

void add_commands(CLI::App& app, Context& context) {
  app.require_subcommand(1);
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

int run(int argc, char** argv) {
  CLI::App app{"pith makes small language models reason well on ordinary devices."};
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
  const int status = pith::cli::run(argc, argv);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  if (errno != EPIPE) {
    pith::cli::report_error(
        {pith::ErrorCode::io, "cannot write to standard output: " + pith::system_message(errno)});
  }
  return status == 0 ? 1 : status;
}
