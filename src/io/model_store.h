// The folder where models live: $PITH_HOME/NAME/FILE.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "io/registry.h"

namespace pith {

// What the store holds of a model.
struct StoredModel {
  bool complete = false;       // every file, each with the size the registry says
  uint64_t bytes = 0;          // of the files that have their final names
  uint64_t partial_bytes = 0;  // of downloads that were interrupted
  uint64_t packed_bytes = 0;   // of the packed weights, be they current or not
};

// What is removed of a model.
enum class Removal {
  all,     // files, packed weights and interrupted downloads
  packed,  // the packed weights alone
};

// A path and no state of its own: safe to use from several threads. Symbolic links
// inside the store are never followed out of it.
class ModelStore {
 public:
  // $PITH_HOME, else $XDG_CACHE_HOME/pith/models, else ~/.cache/pith/models. The
  // folder need not exist yet. Errors: usage (none of the three is set).
  static Result<ModelStore> locate();
  explicit ModelStore(std::string home) : home_(std::move(home)) {}

  const std::string& home() const { return home_; }
  std::string folder(const RegistryModel& model) const { return home_ + "/" + model.name; }
  std::string file_path(const RegistryModel& model, const RegistryFile& file) const {
    return folder(model) + "/" + file.name;
  }

  // Where the packed weights are kept that the model starts from; while they are written,
  // under this name and ".tmp" (model/packed_file.h).
  std::string packed_path(const RegistryModel& model) const {
    return file_path(model, model.files[0]) + ".packed";
  }

  StoredModel look_up(const RegistryModel& model) const;

  // The path of the model's first file. Errors: not_found, with the command that
  // fetches the model.
  Result<std::string> require(const RegistryModel& model) const;

  // Makes the model's folder. Errors: io, also when a symbolic link stands there.
  Status make_folder(const RegistryModel& model) const;

  // The lock that whoever changes a model's files holds; nothing when another
  // process has it. Makes the store's folder.
  Result<std::optional<FileLock>> try_lock(const RegistryModel& model) const;

  // The bytes that this freed. Files in the model's folder that are not pith's stay.
  // Errors: io (also while another process holds the lock), not_found (nothing is there).
  Result<uint64_t> remove(const RegistryModel& model, Removal what) const;

 private:
  std::string home_;
};

}  // namespace pith
