// What the commands of `pith-train` have in common.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/progress.h"
#include "train/ranks.h"
#include "train/train_options.h"

namespace pith::train {

// --rank, --alpha, --targets. `alpha` stays 0 where it is to be twice the rank. Returns the
// options.
std::vector<CLI::Option*> add_adapter_options(CLI::App& command, TrainOptions& options,
                                              double& alpha);

// --learning-rate, --warmup, --weight-decay, --clip, --rows, --precision, --device,
// --checkpoint-every, --seed, --threads. `seed` says what that is for.
void add_training_flags(CLI::App& command, TrainOptions& options, const std::string& seed);

// --model, --chat-template, --out, --quiet. `files`: what the folder has.
struct CommandFlags {
  std::string model;
  std::string chat_template;
  std::string output;
  bool quiet = false;
};
void add_command_flags(CLI::App& command, CommandFlags& flags, const std::string& files);

// The ranks of this job, whose waits end at Ctrl-C, which is watched from now on. In others than
// the first `quiet` is set. Errors: those of open_ranks().
Result<std::unique_ptr<Ranks>> join_ranks(bool& quiet);

// A bar; stops at Ctrl-C.
class TrainProgress : public TrainObserver {
 public:
  explicit TrainProgress(bool quiet);

  void on_start(int64_t done, int64_t steps) override;
  void on_step(const TrainStep& step, int64_t steps) override;
  void on_part(double share) override;
  bool cancelled() override;

  // "12 steps" and the like, for what was done here; clears the bar.
  std::string summary(const std::string& folder);

 protected:
  // What the bar says of a step, and what the summary does.
  virtual std::string label_of(const TrainStep& step) const = 0;
  virtual std::string summary_of(const TrainStep& first, const TrainStep& last) const = 0;

 private:
  ProgressBar bar_;
  int64_t done_ = 0;
  int64_t steps_ = 0;
  int64_t tokens_ = 0;
  double seconds_ = 0;
  TrainStep first_, last_;
};

}  // namespace pith::train
