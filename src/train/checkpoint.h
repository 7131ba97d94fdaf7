// Where a run of training stands, on the disk: killed at any moment, it goes on from there.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "train/adamw.h"

namespace pith::train {

// The folder of a run has checkpoint.json, which names the settings, the step, what else the
// kind of training must remember, and a safetensors file with the factors and the
// optimizer's moments. All that is random is a function of the step, so that nothing else is
// needed to go on to the bit.
class Checkpoints {
 public:
  // `names` of the optimizer's parameters. Nothing is written yet.
  Checkpoints(std::string folder, const nlohmann::ordered_json& settings,
              std::vector<std::string> names);
  ~Checkpoints();

  // Reads the last checkpoint into the optimizer, and `state`, which stays as it is where
  // there is none. Steps that are done; 0 then. Errors: io; usage (it is another run's: names
  // the settings that differ); corrupt.
  Result<int64_t> load(AdamW& optimizer, nlohmann::ordered_json& state) const;

  // checkpoint.json comes last, so that there is a whole checkpoint at any time, and the
  // one before is removed after that. Errors: io, exhausted (also when the disk has no
  // room for it, before anything is written).
  // `state`: an object.
  Status save(const AdamW& optimizer, int64_t step, const nlohmann::ordered_json& state) const;

  // Bytes of a checkpoint.
  static uint64_t bytes(const AdamW& optimizer);

 private:
  std::string json_path() const { return folder_ + "/checkpoint.json"; }

  std::string folder_;
  std::unique_ptr<nlohmann::ordered_json> settings_;
  std::vector<std::string> names_;
};

}  // namespace pith::train
