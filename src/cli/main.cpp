// `pith`: the command line.
#include <string_view>

#include "cli/commands.h"
#include "cli/program.h"
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
  add_train(app, context);
  add_serve(app, context);
  add_describe(app, context);
}

// llama.cpp's name of an option that CLI11, which knows no long names with one dash, cannot have.
void rename_options(int argc, char** argv) {
  static char system[] = "--system";
  for (int i = 1; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    if (std::string_view(argv[i]) == "-sys") argv[i] = system;
  }
}

}  // namespace
}  // namespace pith::cli

int main(int argc, char** argv) {
  pith::cli::rename_options(argc, argv);
  CLI::App app{"pith makes small language models reason well on ordinary devices.", "pith"};
  pith::cli::Context context;
  pith::cli::add_commands(app, context);
  return pith::cli::run_program(app, context, argc, argv);
}
