// What all kinds of training are told, and tell.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/gguf.h"
#include "model/adapter_source.h"
#include "train/train_log.h"

namespace pith::train {

// How the frozen weights are multiplied with.
enum class TrainPrecision { bf16, f32 };

// Options of all kinds of training; the defaults of some are their own.
struct TrainOptions {
  int32_t rank = 32;
  double alpha = 64;
  std::vector<LayerMatrix> targets;  // empty: all linear layers
  double learning_rate = 2e-4;       // at its highest
  double warmup = 0.1;               // share of the steps in which it rises
  double weight_decay = 0;
  double clip_norm = 1;      // most that the gradient's norm may be
  int64_t steps = 0;         // 0: as the kind of training has it
  int32_t most_rows = 1024;  // tokens behind the boundary that are computed at once
  TrainPrecision precision = TrainPrecision::bf16;
  std::string device = "cpu";  // of the twin: see open_device()
  uint64_t seed = 0;
  int32_t threads = 0;            // 0: all cores
  int32_t checkpoint_steps = 20;  // between checkpoints
};

// Errors: usage (one is out of its range).
Status check_options(const TrainOptions& options);

// All that is random or counts in a run, but for `device`, `threads` and `checkpoint_steps`: two
// runs of one kind with the same settings on one machine's device have the same losses.
nlohmann::ordered_json train_settings(const GgufFile& file, const TrainOptions& options);

class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  virtual void on_start(int64_t /*done*/, int64_t /*steps*/) {}
  virtual void on_step(const TrainStep& /*step*/, int64_t /*steps*/) {}
  // Parts of a step's work that are done; the last one is followed by on_step.
  virtual void on_part(double /*share*/) {}
  virtual bool cancelled() { return false; }
};

struct RunEnd {
  int64_t steps = 0;    // that were done in all
  std::string stopped;  // why there were no more, before the last one; empty: all were done
};

}  // namespace pith::train
