#include "cli/pack_options.h"

#include <filesystem>
#include <utility>
#include <vector>

#include "cli/flags.h"
#include "io/model_store.h"

namespace pith::cli {
namespace {

namespace fs = std::filesystem;

tl::unexpected<Error> no_verifier() {
  return fail(ErrorCode::usage,
              "--vote verifier needs a reasoning pack that has a verifier (--pack): use majority "
              "or confidence");
}

// Where packs are looked for by name, in order.
std::vector<std::string> pack_folders() {
  std::vector<std::string> folders;
  if (const Result<ModelStore> store = ModelStore::locate()) {
    folders.push_back(store->home() + "/packs");
  }
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return folders;
  const fs::path prefix = program.parent_path().parent_path();
  folders.push_back((prefix / "share/pith/packs").string());
  folders.push_back((prefix.parent_path() / "packs").string());  // build/bin/pith of a source tree
  return folders;
}

}  // namespace

void add_pack_flags(CLI::App& command, PackOptions& options, CLI::Option* adapter) {
  command
      .add_option("--pack", options.pack,
                  "Reasoning pack: adapter, switcher and verifier that were made for the model")
      ->option_text("NAME|PATH")
      ->excludes(adapter);
  add_choice<ThinkMode>(
      command, "--think", options.think,
      {{"auto", ThinkMode::automatic}, {"on", ThinkMode::on}, {"off", ThinkMode::off}},
      "Whether it reasons before it answers: auto (as the pack's switcher says; "
      "without one, on), on, off [auto]");
}

CLI::Option* add_vote_flag(CLI::App& command, PackOptions& options,
                           const std::string& description) {
  return add_choice<std::optional<VoteRule>>(
      command, "--vote", options.vote,
      {{"majority", VoteRule::majority},
       {"verifier", VoteRule::verifier},
       {"confidence", VoteRule::confidence}},
      description +
          ": majority (1), confidence (how sure it was in its least certain passage), verifier (a "
          "pack's score) [majority; verifier where the pack has one]");
}

void add_landing_flag(CLI::App& command, bool& soft_landing) {
  command.add_flag_callback(
      "--no-landing", [&soft_landing] { soft_landing = false; },
      "Let a branch think to the last token of its budget, in place of bringing it to an end");
}

Status check_vote(const PackOptions& options) {
  if (options.vote == VoteRule::verifier && options.pack.empty()) return no_verifier();
  return {};
}

Result<VoteRule> chosen_vote(const PackOptions& options, const std::optional<LoadedPack>& pack) {
  const bool verifier = pack && pack->verifier;
  const VoteRule vote = options.vote.value_or(verifier ? VoteRule::verifier : VoteRule::majority);
  if (vote == VoteRule::verifier && !verifier) return no_verifier();
  return vote;
}

Result<std::string> resolve_pack(std::string_view name_or_path) {
  if (name_or_path.find('/') != name_or_path.npos) return std::string(name_or_path);
  const std::vector<std::string> folders = pack_folders();
  for (const std::string& folder : folders) {
    std::string path = fmt::format("{}/{}", folder, name_or_path);
    std::error_code error;
    if (fs::exists(path + "/" + std::string(kPackFile), error)) return path;
  }
  return fail(ErrorCode::not_found,
              "no pack {} in {}; a pack elsewhere is named by its path, with a '/'",
              printable(name_or_path), fmt::join(folders, ", "));
}

Result<std::optional<LoadedPack>> load_pack(const OpenModel& model, const PackOptions& options,
                                            AdapterPrecision precision) {
  if (options.pack.empty()) return std::nullopt;
  PITH_TRY(const std::string folder, resolve_pack(options.pack));
  PITH_TRY(Pack pack, open_pack(folder));
  PITH_TRY(const std::string sha256, model_sha256(model));
  PITH_TRY_VOID(check_pack(pack, model.model->config(), sha256));
  LoadedPack loaded;
  PITH_TRY(std::vector<TokenId> verification, verification_tokens(pack, model.tokenizer));
  if (pack.verifier) {
    loaded.verifier =
        Verifier{*pack.verifier, std::move(verification), pack.verification.positions};
  }
  if (!pack.adapter.empty()) {
    PITH_TRY(loaded.adapter, load_adapter(model, AdapterOptions{pack.adapter_path(), precision}));
  }
  loaded.pack = std::move(pack);
  return loaded;
}

AdapterId attach_pack(Engine& engine, LoadedPack& loaded) {
  if (loaded.adapter == nullptr) return kNoAdapter;
  const AdapterId adapter = engine.add_adapter(loaded.adapter);
  if (loaded.verifier && loaded.pack.verification.with_adapter) loaded.verifier->reader = adapter;
  return adapter;
}

}  // namespace pith::cli
