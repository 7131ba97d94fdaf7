// What all runs of training have in common: a folder that one process holds, steps, a log,
// checkpoints, an adapter and a report at each of them, stopping and going on.
//   adapter/            a PEFT folder with invocation tokens, at each checkpoint
//   checkpoint.json ..  train/checkpoint.h
//   steps.csv           a line for each step
//   report.html         its curves
// Of several ranks the first alone has the folder.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/function_ref.h"
#include "text/tokenizer.h"
#include "train/adamw.h"
#include "train/lora.h"
#include "train/ranks.h"
#include "train/train_log.h"
#include "train/train_options.h"

namespace pith::train {

at::ScalarType scalar_type(TrainPrecision precision);
LoraOptions lora_options(const TrainOptions& options);

// A kind of training: what is done in a step.
class Training {
 public:
  virtual ~Training() = default;

  // Step `step`, from 0. Nothing if it was cancelled; then nothing has changed but gradients.
  // What it returns is the same in all ranks, but for the seconds.
  virtual Result<std::optional<TrainStep>> take_step(int64_t step) = 0;
  virtual TrainColumns columns() const { return {}; }

  // What it must remember beside the tensors, and how it goes on behind step `done`. Called
  // before the first step in any case, with an empty object in a new run. Errors: corrupt.
  // What follows is called in the first rank alone, but for restore().
  virtual nlohmann::ordered_json state() const { return nlohmann::ordered_json::object(); }
  virtual Status restore(int64_t /*done*/, const nlohmann::ordered_json& /*state*/) { return {}; }

  // Before a checkpoint that is due: not before one because of a cancel.
  virtual Status on_checkpoint(const std::vector<TrainStep>& /*steps*/) { return {}; }
  // Why there should be no further step; empty: there should.
  virtual std::string reason_to_stop(const std::vector<TrainStep>& /*steps*/) const { return {}; }
  virtual std::string page() const { return {}; }  // for train_page()
};

// The folder of a run. Holds its lock.
class RunFolder {
 public:
  // Makes it if need be, and removes what a killed run was writing. Errors: io; usage
  // (another process is at work in it).
  static Result<RunFolder> open(const std::string& path);

  const std::string& path() const { return path_; }
  // Makes sure that the disk has room for two checkpoints of such factors and `adapters`.
  // Errors: io, exhausted.
  Status check_room(const std::vector<at::Tensor>& factors, int adapters, int64_t steps) const;

 private:
  RunFolder(std::string path, FileLock lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  FileLock lock_;
};

struct RunPlan {
  Ranks& ranks;
  const RunFolder* folder;  // of the first rank; null in others
  const nlohmann::ordered_json& settings;
  const ModelConfig& config;
  std::vector<TokenId> invocation;  // the adapter's invocation tokens
  int64_t steps = 0;
  int32_t checkpoint_steps = 1;
};

// Goes on with the run of the folder, or begins it, to its end. Errors: usage (another run's
// folder; ranks that are told different things), io, exhausted (disk), corrupt (a checkpoint; a
// loss that is no number), cancelled (a checkpoint was written), those of the training, those of
// Ranks.
Result<RunEnd> run_training(Training& training, const RunPlan& plan, const Lora& lora,
                            AdamW& optimizer, TrainObserver& observer);

// Calls `work` with as many of LibTorch's threads, its exceptions made into errors. Errors:
// exhausted (LibTorch gave up), those of `work`.
Status with_torch(int threads, FunctionRef<Status()> work);

}  // namespace pith::train
