// The commands that are left out of a pith-train that was built without LibTorch: they say so.
#include "cli/report.h"
#include "train/commands.h"

namespace pith::train {

void add_sft(CLI::App& app, cli::Context& context) {
  CLI::App* command = app.add_subcommand(
      "sft", "Train an adapter (not in this build: './setup --train' in pith's sources)");
  command->set_help_flag();
  command->allow_extras();
  command->callback([&context] {
    context.exit_status = cli::report_error(
        {ErrorCode::unsupported,
         "this pith-train was built without LibTorch, which adapters are trained with; in pith's "
         "sources './setup --train' builds it"});
  });
}

}  // namespace pith::train
