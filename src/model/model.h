// A model in memory: its configuration and its weights, packed for this machine.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/thread_pool.h"
#include "io/gguf.h"
#include "model/config.h"
#include "model/packed_file.h"

namespace pith {

struct ModelWeights;  // model/weights.h

struct LoadOptions {
  // Where the packed weights may be; mapped if they are current, else not used. Nothing: none.
  std::optional<PackedFile> packed;
  // Called with a share in [0, 1] from the calling thread while weights are packed.
  std::function<void(double)> progress;
};

// Immutable once loaded: any number of engines and threads may share one.
class Model {
 public:
  // Maps the packed weights, or packs those of `file` on the threads of `pool`: the same
  // bytes. Errors: those of read_model_config and collect_weights (model/packing.h),
  // chosen_isa; exhausted (memory).
  static Result<std::shared_ptr<const Model>> load(std::shared_ptr<const GgufFile> file,
                                                   ThreadPool& pool,
                                                   const LoadOptions& options = {});
  ~Model();

  const ModelConfig& config() const { return config_; }
  const ModelWeights& weights() const { return *weights_; }
  size_t packed_bytes() const;  // of the weights in memory
  bool mapped() const;          // whether they are those of LoadOptions::packed

 private:
  Model() = default;
  std::shared_ptr<const GgufFile> file_;  // rows of the embedding are read from it
  ModelConfig config_;
  std::unique_ptr<ModelWeights> weights_;
};

}  // namespace pith
