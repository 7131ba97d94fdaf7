// `pith-train`: what `pith train` runs.
#include <malloc.h>

#include <limits>

#include "cli/program.h"
#include "pith/version.h"
#include "train/commands.h"

int main(int argc, char** argv) {
  // Each step of training takes and frees the same gigabytes. What goes back to the system in
  // between comes again page by page, zeroed.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TOP_PAD, 64 << 20);
  CLI::App app{
      "pith train makes what small language models reason well with: adapters, switchers, "
      "verifiers, and packs of them.",
      "pith train"};
  app.require_subcommand(1);
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.set_version_flag("--version", "pith-train " PITH_VERSION);
  pith::cli::Context context;
  pith::train::add_sft(app, context);
  pith::train::add_grpo(app, context);
  pith::train::add_verifier(app, context);
  pith::train::add_switcher(app, context);
  pith::train::add_pack(app, context);
  return pith::cli::run_program(app, context, argc, argv);
}
