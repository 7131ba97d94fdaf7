// Hidden states that heads are trained on, kept on the disk: they take far longer to compute
// than a head takes to train. A folder of safetensors files, each there in full or not at all,
// so that a run that was killed goes on where it was.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/function_ref.h"

namespace pith {

// Rows of one kind: [rows, C], row by row.
struct Feature {
  std::string name;
  std::vector<float> values;
};

struct Features {
  size_t width = 0;  // C
  size_t rows = 0;
  std::vector<Feature> kinds;

  // The kind of that name; it must be there (CHECKed).
  const std::vector<float>& of(const std::string& name) const;
};

// What a cache holds: `names` kinds of rows of `width` numbers, in parts of so many rows.
struct FeatureLayout {
  std::vector<std::string> names;
  size_t width = 0;
  std::vector<size_t> part_rows;
};

// One process at a time has a cache.
class FeatureCache {
 public:
  // Opens or makes the cache in `folder`. `settings` are all that the numbers depend on.
  // Errors: io; usage (it is of other settings, with their names; another process has it).
  static Result<FeatureCache> open(const std::string& folder,
                                   const nlohmann::ordered_json& settings, FeatureLayout layout);

  // All parts in order: read, or, where they are missing, made by `compute`, which gives the
  // part's rows of each kind, and written. `progress` is told of parts that are done. Errors:
  // io, exhausted; corrupt (a file that is not what was written); those of `compute`.
  Result<Features> load(FunctionRef<Result<std::vector<Feature>>(size_t part)> compute,
                        FunctionRef<void(size_t done)> progress);

 private:
  FeatureCache(std::string folder, FeatureLayout layout, FileLock lock)
      : folder_(std::move(folder)), layout_(std::move(layout)), lock_(std::move(lock)) {}

  std::string part_path(size_t part) const;
  // False: it is not there.
  Result<bool> read_part(size_t part, std::vector<Feature>& kinds) const;
  Status write_part(size_t part, const std::vector<Feature>& kinds) const;

  std::string folder_;
  FeatureLayout layout_;
  FileLock lock_;
};

}  // namespace pith
