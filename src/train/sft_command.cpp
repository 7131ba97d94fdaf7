// `pith train sft`: an adapter from samples that were right.
#include <algorithm>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "base/progress.h"
#include "cli/flags.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/report.h"
#include "model/config.h"
#include "model/vocabulary.h"
#include "runtime/open_model.h"
#include "text/prompt.h"
#include "train/commands.h"
#include "train/sft.h"
#include "train/targets.h"

namespace pith::train {
namespace {

constexpr int32_t kLargest = std::numeric_limits<int32_t>::max();
constexpr double kMost = 1e6;  // of a real number

struct SftFlags {
  std::string model;
  std::string chat_template;
  std::vector<std::string> data;
  std::string output;
  SftSelection selection;
  SftOptions options;
  double alpha = 0;  // 0: twice the rank
  bool quiet = false;
};

std::string summary_of(const SftData& data) {
  return fmt::format(
      "{} examples of {} questions out of {} samples; left out: {} wrong, {} unfinished, {} too "
      "long, {} repeated, {} longer than others\n",
      data.examples.size(), data.questions, data.samples, data.wrong, data.unfinished,
      data.long_ones, data.repeated, data.surplus);
}

class Progress : public SftObserver {
 public:
  explicit Progress(bool quiet) : bar_("training", ProgressUnit::share, quiet) {}

  void on_start(int64_t done, int64_t steps) override {
    done_ = done;
    steps_ = steps;
    on_part(0);
  }

  void on_step(const TrainStep& step, int64_t /*steps*/) override {
    if (first_loss_ == 0) first_loss_ = step.loss;
    last_loss_ = step.loss;
    tokens_ += step.tokens;
    seconds_ += step.seconds;
    done_ = step.step;
    bar_.set_label(fmt::format("loss {:.3f}, {:.1f} tokens/s", step.loss,
                               static_cast<double>(step.tokens) / step.seconds));
    on_part(0);
  }

  void on_part(double share) override {
    bar_.update(static_cast<double>(done_) + share, static_cast<double>(steps_));
  }

  bool cancelled() override { return cli::interrupted(); }

  std::string summary(const std::string& folder) {
    bar_.clear();
    if (tokens_ == 0) return fmt::format("all {} steps were done; {}/adapter\n", steps_, folder);
    return fmt::format("{} steps, loss {:.4f} to {:.4f}; {} tokens in {}, {:.1f} tokens/s; {}\n",
                       done_, first_loss_, last_loss_, tokens_, format_duration(seconds_),
                       static_cast<double>(tokens_) / seconds_, folder + "/adapter");
  }

 private:
  ProgressBar bar_;
  int64_t done_ = 0;
  int64_t steps_ = 0;
  int64_t tokens_ = 0;
  double seconds_ = 0;
  double first_loss_ = 0;
  double last_loss_ = 0;
};

Result<int> sft(SftFlags& flags) {
  if (flags.data.empty()) return fail(ErrorCode::usage, "no samples: name their file with --data");
  if (flags.output.empty()) return fail(ErrorCode::usage, "no output: name a folder with --out");
  flags.options.alpha = flags.alpha > 0 ? flags.alpha : 2 * flags.options.rank;
  PITH_TRY(const OpenTokenizer model, open_tokenizer(flags.model));
  PITH_TRY(const ModelConfig config, read_model_config(*model.file));
  PITH_TRY(const ChatTemplate chat, flags.chat_template.empty()
                                        ? read_chat_template(*model.file)
                                        : chat_template_by_name(flags.chat_template));
  PITH_TRY(const std::vector<TokenId> header, assistant_header(model.tokenizer, chat));
  PITH_TRY(const SftData data,
           read_sft_data(flags.data, flags.selection, {config.vocabulary, config.context, header}));
  if (!flags.quiet) cli::print_now(summary_of(data));
  cli::watch_interrupts();
  Progress progress(flags.quiet);
  PITH_TRY_VOID(train_sft(model.file, header, data, flags.options, flags.output, progress));
  const std::string summary = progress.summary(printable(flags.output, 400));
  if (!flags.quiet) cli::print(summary);
  return 0;
}

int run_sft(SftFlags& flags) {
  try {
    const Result<int> status = sft(flags);
    return status ? *status : cli::report_error(status.error());
  } catch (const std::bad_alloc&) {
    return cli::report_error({ErrorCode::exhausted, "out of memory"});
  }
}

void add_data_flags(CLI::App& command, SftFlags& flags) {
  command
      .add_option("--data", flags.data,
                  "What 'pith sample' wrote; several files are taken together")
      ->option_text("FILE")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  cli::add_choice<bool>(command, "--keep", flags.selection.correct_only,
                        {{"correct", true}, {"all", false}},
                        "Samples to train on: correct, or all that came to an end [correct]");
  cli::add_number(command, "--per-question", flags.selection.per_question, 0, kLargest,
                  "Samples of a question, the shortest; 0: all");
  cli::add_number(command, "--most-tokens", flags.selection.most_tokens, 0, kLargest,
                  "Leave out longer answers; 0: none");
}

void add_adapter_options(CLI::App& command, SftOptions& options, double& alpha) {
  cli::add_number<int32_t>(command, "--rank", options.rank, 1, kMaxAdapterRank,
                           "Rank of the adapter");
  cli::add_number(command, "--alpha", alpha, 0.0, kMost, "Its strength; 0: twice the rank");
  cli::add_number(command, "--dropout", options.dropout, 0.0, 0.95,
                  "Share of its inputs that a pass leaves out");
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
  command
      .add_option_function<std::vector<std::string>>("--targets", choose,
                                                     "Layers that it changes [all linear ones]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->option_text("NAME,NAME,..");
}

void add_training_flags(CLI::App& command, SftOptions& options) {
  cli::add_number(command, "--learning-rate,--lr", options.learning_rate, 1e-9, 1.0,
                  "Learning rate at its highest");
  cli::add_number(command, "--warmup", options.warmup, 0.0, 1.0,
                  "Share of the steps in which it rises");
  cli::add_number(command, "--weight-decay", options.weight_decay, 0.0, 1.0,
                  "Decay of the factors");
  cli::add_number(command, "--clip", options.clip_norm, 1e-6, kMost,
                  "Most that the norm of a gradient may be");
  cli::add_number(command, "--epochs", options.epochs, 1, 1000, "Times through the examples");
  cli::add_number<int64_t>(command, "--steps", options.steps, 0, kLargest,
                           "Steps in place of epochs; 0: by epochs");
  cli::add_number(command, "--batch", options.batch, 1, kLargest, "Examples of a step");
  cli::add_number(command, "--rows", options.most_rows, 1, kLargest,
                  "Tokens that are computed at once: what memory allows");
  cli::add_choice<TrainPrecision>(command, "--precision", options.precision,
                                  {{"bf16", TrainPrecision::bf16}, {"f32", TrainPrecision::f32}},
                                  "The model's weights in training: bf16 or f32 [bf16]");
  cli::add_number(command, "--checkpoint-every", options.checkpoint_steps, 1, kLargest,
                  "Steps between checkpoints");
  cli::add_number<uint64_t>(command, "-s,--seed", options.seed, 0,
                            std::numeric_limits<uint64_t>::max(),
                            "Of the order, the first factors and the dropout");
  cli::add_number(command, "-t,--threads", options.threads, 0, kMostThreads,
                  "Threads; 0: all cores");
}

}  // namespace

void add_sft(CLI::App& app, cli::Context& context) {
  auto flags = std::make_shared<SftFlags>();
  CLI::App* command =
      app.add_subcommand("sft", "Train an adapter on samples of the model's own that were right");
  cli::add_model_option(*command, flags->model);
  command
      ->add_option("--chat-template", flags->chat_template,
                   "Chat template by name, where the model's own is missing or unknown")
      ->option_text("NAME");
  add_data_flags(*command, *flags);
  command
      ->add_option("-o,--out", flags->output,
                   "Folder of the run: adapter, checkpoints, loss.csv, report.html; a run that it "
                   "has goes on")
      ->option_text("FOLDER");
  add_adapter_options(*command, flags->options, flags->alpha);
  add_training_flags(*command, flags->options);
  command->add_flag("-q,--quiet", flags->quiet, "Print nothing");
  command->callback([flags, &context] { context.exit_status = run_sft(*flags); });
}

}  // namespace pith::train
