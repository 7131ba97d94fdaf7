#include "train/command.h"

#include <algorithm>
#include <limits>

#include "cli/flags.h"
#include "cli/interrupt.h"
#include "runtime/open_model.h"
#include "train/mpi_ranks.h"
#include "train/targets.h"

namespace pith::train {
namespace {

constexpr int32_t kLargest = std::numeric_limits<int32_t>::max();
constexpr double kMost = 1e6;  // of a real number

}  // namespace

std::vector<CLI::Option*> add_adapter_options(CLI::App& command, TrainOptions& options,
                                              double& alpha) {
  CLI::Option* rank = cli::add_number<int32_t>(command, "--rank", options.rank, 1, kMaxAdapterRank,
                                               "Rank of the adapter");
  CLI::Option* strength =
      cli::add_number(command, "--alpha", alpha, 0.0, kMost, "Its strength; 0: twice the rank");
  const auto choose = [&options](const std::vector<std::string>& names) {
    options.targets.clear();
    for (const std::string& name : names) {
      const auto found = std::find(kTargetNames.begin(), kTargetNames.end(), name);
      if (found == kTargetNames.end()) {
        throw CLI::ValidationError(
            "--targets",
            fmt::format("'{}' is none of {}", printable(name, 40), fmt::join(kTargetNames, ", ")));
      }
      options.targets.push_back(static_cast<LayerMatrix>(found - kTargetNames.begin()));
    }
    std::sort(options.targets.begin(), options.targets.end());
  };
  CLI::Option* targets = command
                             .add_option_function<std::vector<std::string>>(
                                 "--targets", choose, "Layers that it changes [all linear ones]")
                             ->delimiter(',')
                             ->allow_extra_args(false)
                             ->option_text("NAME,NAME,..");
  return {rank, strength, targets};
}

void add_training_flags(CLI::App& command, TrainOptions& options, const std::string& seed) {
  cli::add_number(command, "--learning-rate,--lr", options.learning_rate, 1e-9, 1.0,
                  "Learning rate at its highest");
  cli::add_number(command, "--warmup", options.warmup, 0.0, 1.0,
                  "Share of the steps in which it rises");
  cli::add_number(command, "--weight-decay", options.weight_decay, 0.0, 1.0,
                  "Decay of the factors");
  cli::add_number(command, "--clip", options.clip_norm, 1e-6, kMost,
                  "Most that the norm of a gradient may be");
  cli::add_number(command, "--rows", options.most_rows, 1, kLargest,
                  "Tokens that are computed at once: what memory allows");
  cli::add_choice<TrainPrecision>(
      command, "--precision", options.precision,
      {{"bf16", TrainPrecision::bf16}, {"f32", TrainPrecision::f32}},
      "bf16: products with quantised weights in 8 bits; f32: all exact [bf16]");
  command
      .add_option("--device", options.device,
                  "Where gradients are computed: cpu, cuda or cuda:N, the GPU number N [cpu]")
      ->option_text("NAME");
  cli::add_number(command, "--checkpoint-every", options.checkpoint_steps, 1, kLargest,
                  "Steps between checkpoints");
  cli::add_number<uint64_t>(command, "-s,--seed", options.seed, 0,
                            std::numeric_limits<uint64_t>::max(), seed);
  cli::add_number(command, "-t,--threads", options.threads, 0, kMostThreads,
                  "Threads; 0: all cores");
}

void add_command_flags(CLI::App& command, CommandFlags& flags, const std::string& files) {
  cli::add_model_option(command, flags.model);
  command
      .add_option("--chat-template", flags.chat_template,
                  "Chat template by name, where the model's own is missing or unknown")
      ->option_text("NAME");
  command
      .add_option("-o,--out", flags.output,
                  fmt::format("Folder of the run: {}; a run that it has goes on", files))
      ->option_text("FOLDER");
  command.add_flag("-q,--quiet", flags.quiet, "Print nothing");
}

Result<std::unique_ptr<Ranks>> join_ranks(bool& quiet) {
  cli::watch_interrupts();
  PITH_TRY(std::unique_ptr<Ranks> ranks, open_ranks(cli::interrupted));
  quiet = quiet || !ranks->is_first();
  return ranks;
}

TrainProgress::TrainProgress(bool quiet) : bar_("training", ProgressUnit::share, quiet) {}

void TrainProgress::on_start(int64_t done, int64_t steps) {
  done_ = done;
  steps_ = steps;
  on_part(0);
}

void TrainProgress::on_step(const TrainStep& step, int64_t /*steps*/) {
  if (first_.step == 0) first_ = step;
  last_ = step;
  tokens_ += step.tokens;
  seconds_ += step.seconds;
  done_ = step.step;
  bar_.set_label(label_of(step));
  on_part(0);
}

void TrainProgress::on_part(double share) {
  bar_.update(static_cast<double>(done_) + share, static_cast<double>(steps_));
}

bool TrainProgress::cancelled() { return cli::interrupted(); }

std::string TrainProgress::summary(const std::string& folder) {
  bar_.clear();
  if (last_.step == 0) return fmt::format("all {} steps were done; {}/adapter\n", done_, folder);
  return fmt::format("{} steps, {}; {} tokens in {}, {:.1f} tokens/s; {}/adapter\n", done_,
                     summary_of(first_, last_), tokens_, format_duration(seconds_),
                     static_cast<double>(tokens_) / seconds_, folder);
}

}  // namespace pith::train
