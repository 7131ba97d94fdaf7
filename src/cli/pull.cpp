// `pith pull`: fetches a model into the store.
#include "io/pull.h"

#include <unistd.h>

#include <memory>

#include "base/progress.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/report.h"

namespace pith::cli {
namespace {

struct PullArguments {
  std::string name;
  bool quiet = false;
  bool verify = false;
};

Result<std::string> pull(const PullArguments& arguments) {
  PITH_TRY(const Registry registry, Registry::load());
  PITH_TRY(const RegistryModel* model, registry.require(arguments.name));
  PITH_TRY(const ModelStore store, ModelStore::locate());
  ProgressBar bar(model->name, ProgressUnit::bytes, arguments.quiet);
  PullOptions options;
  options.verify = arguments.verify;
  options.hooks.cancelled = interrupted;
  options.hooks.progress = [&](uint64_t done, uint64_t total) {
    bar.update(static_cast<double>(done), static_cast<double>(total));
  };
  options.note = [&](const std::string& line) {
    bar.clear();
    if (!arguments.quiet) report_line(line);
  };
  PITH_TRY(const PullOutcome outcome, pull_model(store, *model, options));
  return fmt::format("{}: {} {}\n", model->name, outcome.was_there ? "already at" : "now at",
                     outcome.path);
}

}  // namespace

void add_pull(CLI::App& app, Context& context) {
  auto arguments = std::make_shared<PullArguments>();
  CLI::App* command = app.add_subcommand("pull", "Fetch a model ('pith list' shows which)");
  command->add_option("name", arguments->name, "Name of the model, or 'default'")->required();
  command->add_flag("-q,--quiet", arguments->quiet, "Print nothing but errors");
  command->add_flag("--verify", arguments->verify,
                    "Check the sha256 of files that are here, and fetch again what differs");
  command->callback([arguments, &context] {
    watch_interrupts();
    const Result<std::string> line = pull(*arguments);
    if (!line) {
      context.exit_status = report_error(line.error());
    } else if (!arguments->quiet) {
      print(*line);
    }
  });
}

}  // namespace pith::cli
