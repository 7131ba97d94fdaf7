// `pith-train`: what `pith train` runs.
#include "cli/program.h"
#include "pith/version.h"
#include "train/commands.h"

int main(int argc, char** argv) {
  CLI::App app{
      "pith train makes what small language models reason well with: adapters, switchers, "
      "verifiers, and packs of them.",
      "pith train"};
  app.require_subcommand(1);
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.set_version_flag("--version", "pith-train " PITH_VERSION);
  pith::cli::Context context;
  pith::train::add_sft(app, context);
  pith::train::add_verifier(app, context);
  pith::train::add_switcher(app, context);
  pith::train::add_pack(app, context);
  return pith::cli::run_program(app, context, argc, argv);
}
