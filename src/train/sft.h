// Supervised fine-tuning of an adapter on samples of the model's own.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/gguf.h"
#include "model/adapter_source.h"
#include "train/sft_data.h"
#include "train/train_log.h"

namespace pith::train {

// How the frozen weights are multiplied with.
enum class TrainPrecision { bf16, f32 };

struct SftOptions {
  int32_t rank = 32;
  double alpha = 64;
  double dropout = 0;                // share of A's inputs that a pass leaves out
  std::vector<LayerMatrix> targets;  // empty: all linear layers
  double learning_rate = 2e-4;       // at its highest
  double warmup = 0.1;               // share of the steps in which it rises
  double weight_decay = 0;
  double clip_norm = 1;      // most that the gradient's norm may be
  int32_t epochs = 3;        // through all examples
  int64_t steps = 0;         // in place of epochs; 0: as these have it
  int32_t batch = 16;        // examples of a step
  int32_t most_rows = 1024;  // tokens behind the boundary that are computed at once
  TrainPrecision precision = TrainPrecision::bf16;
  uint64_t seed = 0;
  int32_t threads = 0;            // 0: all cores
  int32_t checkpoint_steps = 20;  // between checkpoints
};

// Everything that the losses depend on. Two runs with the same settings on one machine
// have the same.
nlohmann::ordered_json sft_settings(const GgufFile& file, const SftData& data,
                                    const SftOptions& options);

int64_t sft_steps(const SftData& data, const SftOptions& options);

class SftObserver {
 public:
  virtual ~SftObserver() = default;
  virtual void on_start(int64_t /*done*/, int64_t /*steps*/) {}
  virtual void on_step(const TrainStep& /*step*/, int64_t /*steps*/) {}
  // Parts of a step's work that are done; the last one is followed by on_step.
  virtual void on_part(double /*share*/) {}
  virtual bool cancelled() { return false; }
};

// Trains an adapter for the model of `file`, into `folder`, which is made if need be:
//   adapter/            a PEFT folder with invocation tokens (`header`), at each checkpoint
//   checkpoint.json ..  train/checkpoint.h
//   loss.csv            a line for each step
//   report.html         its curves
// A folder that has a run with the same settings goes on with it.
//
// Errors: usage (an option out of range; another process at work in the folder, another
// run), io, exhausted (disk, memory), cancelled (a checkpoint was written), those of
// Twin::load.
Status train_sft(std::shared_ptr<const GgufFile> file, const std::vector<TokenId>& header,
                 const SftData& data, const SftOptions& options, const std::string& folder,
                 SftObserver& observer);

}  // namespace pith::train
