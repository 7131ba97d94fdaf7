#include "io/model_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace pith {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The size of a plain file; nothing for a link, a folder or nothing.
std::optional<uint64_t> plain_file_bytes(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  return static_cast<uint64_t>(info.st_size);
}

bool is_real_folder(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::vector<std::string> packed_paths(const ModelStore& store, const RegistryModel& model) {
  return {store.packed_path(model), store.packed_path(model) + ".tmp"};
}

// Every path in the model's folder that pith makes: final names and what downloads and
// packing leave when they are interrupted.
std::vector<std::string> owned_paths(const ModelStore& store, const RegistryModel& model) {
  std::vector<std::string> paths = packed_paths(store, model);
  for (const RegistryFile& file : model.files) {
    for (const char* ending : {"", ".hub.part", ".wheels.part"}) {
      paths.push_back(store.file_path(model, file) + ending);
    }
  }
  return paths;
}

}  // namespace

Result<ModelStore> ModelStore::locate() {
  std::string home = environment("PITH_HOME");
  if (home.empty()) {
    const std::string cache = environment("XDG_CACHE_HOME");
    const std::string user = environment("HOME");
    if (cache.empty() && user.empty()) {
      return fail(ErrorCode::usage,
                  "no place for models: set PITH_HOME to the folder they shall be in");
    }
    home = (cache.empty() ? user + "/.cache" : cache) + "/pith/models";
  }
  std::error_code error;
  const fs::path absolute = fs::absolute(home, error);
  if (error) return fail_system("find", home, error.value());
  return ModelStore(absolute.lexically_normal().string());
}

StoredModel ModelStore::look_up(const RegistryModel& model) const {
  StoredModel stored;
  if (!is_real_folder(folder(model))) return stored;
  stored.complete = true;
  for (const RegistryFile& file : model.files) {
    const auto bytes = plain_file_bytes(file_path(model, file));
    stored.bytes += bytes.value_or(0);
    if (!bytes || (file.bytes != 0 && *bytes != file.bytes)) stored.complete = false;
  }
  for (const std::string& path : owned_paths(*this, model)) {
    if (path.ends_with(".part")) stored.partial_bytes += plain_file_bytes(path).value_or(0);
  }
  stored.packed_bytes = plain_file_bytes(packed_path(model)).value_or(0);
  return stored;
}

Result<std::string> ModelStore::require(const RegistryModel& model) const {
  if (look_up(model).complete) return file_path(model, model.files[0]);
  return fail(ErrorCode::not_found, "the model {} is not on this machine yet; run: pith pull {}",
              model.name, model.name);
}

Status ModelStore::make_folder(const RegistryModel& model) const {
  const std::string path = folder(model);
  PITH_TRY_VOID(make_folders(path));
  if (is_real_folder(path)) return {};
  return fail(ErrorCode::io, "{} is a symbolic link, which is not followed; remove it",
              printable(path, 400));
}

Result<std::optional<FileLock>> ModelStore::try_lock(const RegistryModel& model) const {
  PITH_TRY_VOID(make_folders(home_));
  return FileLock::try_acquire(fmt::format("{}/.{}.lock", home_, model.name));
}

Result<uint64_t> ModelStore::remove(const RegistryModel& model, Removal what) const {
  const bool all = what == Removal::all;
  const auto paths = all ? owned_paths(*this, model) : packed_paths(*this, model);
  const bool found = is_real_folder(folder(model)) &&
                     std::any_of(paths.begin(), paths.end(), [](const std::string& path) {
                       return plain_file_bytes(path).has_value();
                     });
  if (!found) {
    return fail(ErrorCode::not_found, "the model {} {}", model.name,
                all ? "is not on this machine" : "has no packed weights here");
  }
  PITH_TRY(const std::optional<FileLock> lock, try_lock(model));
  if (!lock) return fail(ErrorCode::io, "{} is being pulled; stop that first", model.name);
  uint64_t freed = 0;
  for (const std::string& path : paths) {
    const uint64_t bytes = plain_file_bytes(path).value_or(0);
    std::error_code error;
    if (fs::remove(path, error)) freed += bytes;
    if (error) return fail_system("remove", path, error.value());
  }
  std::error_code not_empty;
  fs::remove(folder(model), not_empty);
  return freed;
}

}  // namespace pith
