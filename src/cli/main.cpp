// `pith`: the command line. Parses, dispatches, turns the outcome into an exit status.
#include "cli/commands.h"

#include "pith/version.h"

int main(int argc, char** argv) {
  CLI::App app{"pith makes small language models reason well on ordinary devices."};
  app.require_subcommand(1);
  app.set_version_flag("--version", "pith " PITH_VERSION);
  pith::cli::Context context;
  pith::cli::add_ask(app, context);
  pith::cli::add_chat(app, context);
  pith::cli::add_pull(app, context);
  pith::cli::add_list(app, context);
  pith::cli::add_show(app, context);
  pith::cli::add_rm(app, context);
  pith::cli::add_tokenize(app, context);
  pith::cli::add_perplexity(app, context);
  pith::cli::add_bench(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version end with 0; every misuse of the command line with 2.
    return app.exit(error) == 0 ? 0 : 2;
  }
  return context.exit_status;
}
