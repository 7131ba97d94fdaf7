// `pith list`: the models that are here, and those that could be.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/progress.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/report.h"
#include "io/model_store.h"

namespace pith::cli {
namespace {

std::string state_of(const RegistryModel& model, const StoredModel& stored) {
  if (stored.complete) return "here";
  const uint64_t begun = stored.partial_bytes;
  if (begun == 0) return "-";
  if (model.bytes() == 0) return format_bytes(begun) + " of it";
  return fmt::format("{} %", 100 * std::min(begun, model.bytes()) / model.bytes());
}

nlohmann::json to_json(const ModelStore& store, const RegistryModel& model) {
  const StoredModel stored = store.look_up(model);
  nlohmann::json json = {{"name", model.name},
                         {"aliases", model.aliases},
                         {"title", model.title},
                         {"architecture", model.architecture},
                         {"licence", model.licence},
                         {"installed", stored.complete},
                         {"installed_bytes", stored.bytes},
                         {"partial_bytes", stored.partial_bytes},
                         {"packed_bytes", stored.packed_bytes},
                         {"bytes", nullptr},
                         {"path", nullptr},
                         {"sha256_pinned", model.pinned()}};
  if (model.bytes() != 0) json["bytes"] = model.bytes();
  if (stored.complete) json["path"] = store.file_path(model, model.files[0]);
  return json;
}

void print_table(const ModelStore& store, const Registry& registry) {
  print(fmt::format("{:<31}{:<8}{:>10}{:>11}  {:<20}{:<8}{}\n", "NAME", "STATE", "SIZE", "PACKED",
                    "LICENCE", "CHECK", "WHAT"));
  bool any_unpinned = false;
  for (const RegistryModel& model : registry.models()) {
    const StoredModel stored = store.look_up(model);
    const uint64_t bytes = stored.complete ? stored.bytes : model.bytes();
    any_unpinned = any_unpinned || !model.pinned();
    print(fmt::format("{:<31}{:<8}{:>10}{:>11}  {:<20}{:<8}{}{}\n", model.name,
                      state_of(model, stored), bytes == 0 ? "?" : format_bytes(bytes),
                      stored.packed_bytes == 0 ? "-" : format_bytes(stored.packed_bytes),
                      model.licence, model.pinned() ? "sha256" : "hub*", model.title,
                      &model == &registry.default_model() ? " (default)" : ""));
  }
  if (any_unpinned) {
    print(
        "\n* no sha256 is pinned for it: checked against the hash that the hub itself declares, "
        "its size and its GGUF structure\n");
  }
}

Status list(bool as_json) {
  PITH_TRY(const Registry registry, Registry::load());
  PITH_TRY(const ModelStore store, ModelStore::locate());
  if (!as_json) {
    print_table(store, registry);
    return {};
  }
  nlohmann::json models = nlohmann::json::array();
  for (const RegistryModel& model : registry.models()) models.push_back(to_json(store, model));
  const nlohmann::json json = {{"home", store.home()},
                               {"default", registry.default_model().name},
                               {"models", std::move(models)}};
  print(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  return {};
}

}  // namespace

void add_list(CLI::App& app, Context& context) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("list", "List the models that are here or can be pulled");
  command->add_flag("--json", *as_json, "Print JSON");
  command->callback([as_json, &context] {
    const Status status = list(*as_json);
    if (!status) context.exit_status = report_error(status.error());
  });
}

}  // namespace pith::cli
