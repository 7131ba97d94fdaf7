// `pith pull`: fetches a model into the store, and packs it for the next starts.
#include "io/pull.h"

#include <filesystem>
#include <memory>

#include "base/file.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/report.h"
#include "model/packed_file.h"
#include "runtime/open_model.h"

namespace pith::cli {
namespace {

struct PullArguments {
  std::string name;
  bool quiet = false;
  bool verify = false;
  bool no_pack = false;
};

// Makes the model's packed file, of `bytes` bytes.
Status pack(const GgufFile& file, const PackedFile& packed, uint64_t bytes, ProgressBar& bar) {
  std::error_code ignored;
  std::filesystem::remove(packed.path, ignored);  // stale: makes room
  const std::string folder = std::filesystem::path(packed.path).parent_path().string();
  PITH_TRY_VOID(check_disk_space(folder, bytes));
  ThreadPool pool(available_cores());
  const auto progress = [&](double share) {
    const auto total = static_cast<double>(bytes);
    bar.update(share * total, total);
  };
  return write_packed_file(file, packed, pool, {progress, interrupted});
}

// Makes it unless it is there and current. A model that cannot be packed is pulled all the
// same: the user is told why. Errors: cancelled.
Status pack_if_possible(const RegistryModel& model, const std::string& path,
                        const PackedFile& packed, const PullOptions& options, ProgressBar& bar) {
  const Result<GgufFile> file = GgufFile::open(path);
  const Result<PackedFileState> state =
      file ? examine_packed_file(*file, packed) : tl::unexpected<Error>(file.error());
  if (!state) {
    options.note(
        fmt::format("{}: this build cannot run it: {}", model.name, state.error().message));
    return {};
  }
  if (state->current && !options.verify) return {};
  bar.set_label("packing " + model.name);
  const Status status = pack(*file, packed, state->bytes, bar);
  if (status || status.error().code == ErrorCode::cancelled) return status;
  options.note(fmt::format("{}: runs, but is not packed for fast starts: {}", model.name,
                           status.error().message));
  return {};
}

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
  if (!arguments.no_pack) {
    PITH_TRY_VOID(
        pack_if_possible(*model, outcome.path, packed_file_of(store, *model), options, bar));
  }
  return fmt::format("{}: {} {}\n", model->name, outcome.was_there ? "already at" : "now at",
                     outcome.path);
}

}  // namespace

void add_pull(CLI::App& app, Context& context) {
  auto arguments = std::make_shared<PullArguments>();
  CLI::App* command = app.add_subcommand(
      "pull", "Fetch a model ('pith list' shows which) and pack it for fast starts");
  command->add_option("name", arguments->name, "Name of the model, or 'default'")->required();
  command->add_flag("-q,--quiet", arguments->quiet, "Print nothing but errors");
  command->add_flag(
      "--verify", arguments->verify,
      "Check the sha256 of files that are here, fetch again what differs, and pack anew");
  command->add_flag("--no-pack", arguments->no_pack,
                    "Do not pack it: half of the disk, but every start packs it in memory");
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
