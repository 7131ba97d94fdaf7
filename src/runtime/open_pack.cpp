#include "runtime/open_pack.h"

#include <fmt/ranges.h>

#include <filesystem>
#include <utility>
#include <vector>

#include "io/model_store.h"
#include "runtime/open_adapter.h"

namespace pith {
namespace {

namespace fs = std::filesystem;

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
    loaded.verifier = Verifier{.head = *pack.verifier,
                               .prompt = std::move(verification),
                               .positions = pack.verification.positions,
                               .layer = pack.verification.layer};
  }
  if (!pack.adapter.empty()) {
    PITH_TRY(loaded.adapter, load_adapter(model, AdapterOptions{pack.adapter_path(), precision}));
  }
  loaded.pack = std::move(pack);
  return loaded;
}

Result<VoteRule> chosen_vote(std::optional<VoteRule> wanted, const LoadedPack* pack) {
  const bool verifier = pack != nullptr && pack->verifier;
  const VoteRule vote = wanted.value_or(vote_of(pack == nullptr ? nullptr : &pack->pack));
  if (vote != VoteRule::verifier || verifier) return vote;
  return fail(ErrorCode::usage,
              "a vote by verifier needs a reasoning pack that has one: name a pack, or vote by "
              "majority or confidence");
}

Status check_vote(const PackOptions& options) {
  if (!options.pack.empty()) return {};
  PITH_TRY_VOID(chosen_vote(options.vote, nullptr));
  return {};
}

AdapterId attach_pack(Engine& engine, LoadedPack& loaded) {
  if (loaded.adapter == nullptr) return kNoAdapter;
  const AdapterId adapter = engine.add_adapter(loaded.adapter);
  if (loaded.verifier && loaded.pack.verification.with_adapter) loaded.verifier->reader = adapter;
  return adapter;
}

}  // namespace pith
