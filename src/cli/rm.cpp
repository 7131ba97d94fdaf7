// `pith rm`: removes a model from the store.
#include <memory>

#include "base/progress.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/report.h"
#include "io/model_store.h"

namespace pith::cli {
namespace {

Result<std::string> remove(const std::string& name, Removal what) {
  if (name.find('/') != std::string::npos || name.ends_with(".gguf")) {
    return fail(ErrorCode::usage, "pith rm takes the name of a model of the store, not a path: {}",
                printable(name));
  }
  PITH_TRY(const Registry registry, Registry::load());
  PITH_TRY(const RegistryModel* model, registry.require(name));
  PITH_TRY(const ModelStore store, ModelStore::locate());
  PITH_TRY(const uint64_t freed, store.remove(*model, what));
  return fmt::format("{}: {}removed, {} freed\n", model->name,
                     what == Removal::packed ? "packed weights " : "", format_bytes(freed));
}

}  // namespace

void add_rm(CLI::App& app, Context& context) {
  struct Arguments {
    std::string name;
    bool quiet = false;
    bool packed = false;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("rm", "Remove a model from this machine");
  command->add_option("name", arguments->name, "Name of the model")->required();
  command->add_flag("-q,--quiet", arguments->quiet, "Print nothing but errors");
  command->add_flag("--packed", arguments->packed,
                    "The packed weights alone: the model stays, and starts as without them");
  command->callback([arguments, &context] {
    const Result<std::string> line =
        remove(arguments->name, arguments->packed ? Removal::packed : Removal::all);
    if (!line) {
      context.exit_status = report_error(line.error());
    } else if (!arguments->quiet) {
      print(*line);
    }
  });
}

}  // namespace pith::cli
