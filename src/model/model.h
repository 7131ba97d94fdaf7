// A model in memory: its configuration and its weights, packed for this machine.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/thread_pool.h"
#include "io/gguf.h"
#include "model/config.h"

namespace pith {

struct ModelWeights;  // model/weights.h

// Immutable once loaded: any number of engines and threads may share one.
class Model {
 public:
  // Packs the weights of `file` for the ISA in use (base/cpu.h), on the threads
  // of `pool`. `progress`, if any, is called with a share in [0, 1] from the
  // calling thread. Errors: those of read_model_config; corrupt (a tensor
  // missing or of the wrong shape, named); unsupported (a tensor that the architecture
  // does not have, named); exhausted (memory).
  static Result<std::shared_ptr<const Model>> load(
      std::shared_ptr<const GgufFile> file, ThreadPool& pool,
      const std::function<void(double)>& progress = {});
  ~Model();

  const ModelConfig& config() const { return config_; }
  const ModelWeights& weights() const { return *weights_; }
  size_t packed_bytes() const;  // of the weights in memory

 private:
  Model() = default;
  std::shared_ptr<const GgufFile> file_;  // rows of the embedding are read from it
  ModelConfig config_;
  std::unique_ptr<ModelWeights> weights_;
};

}  // namespace pith
