// The commands that are left out of a pith-train that was built without LibTorch: they say so.
#include <string>

#include "cli/report.h"
#include "train/commands.h"

namespace pith::train {
namespace {

void add_absent(CLI::App& app, cli::Context& context, const std::string& name) {
  CLI::App* command = app.add_subcommand(
      name, "Train an adapter (not in this build: './setup --train' in pith's sources)");
  command->set_help_flag();
  command->allow_extras();
  command->callback([&context] {
    context.exit_status = cli::report_error(
        {ErrorCode::unsupported,
         "this pith-train was built without LibTorch, which adapters are trained with; in pith's "
         "sources './setup --train' builds it"});
  });
}

}  // namespace

void add_sft(CLI::App& app, cli::Context& context) { add_absent(app, context, "sft"); }
void add_grpo(CLI::App& app, cli::Context& context) { add_absent(app, context, "grpo"); }

}  // namespace pith::train
