// `pith train grpo`: an adapter that reasons within a budget.
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "cli/flags.h"
#include "cli/output.h"
#include "cli/report.h"
#include "eval/task.h"
#include "runtime/open_model.h"
#include "text/prompt.h"
#include "text/utf8.h"
#include "train/command.h"
#include "train/commands.h"
#include "train/grpo.h"

namespace pith::train {
namespace {

constexpr int32_t kMostCount = std::numeric_limits<int32_t>::max();
constexpr int32_t kMostParallelRollouts = 128;
constexpr uint64_t kMostQuestionBytes = uint64_t{4} << 30;

struct GrpoFlags {
  CommandFlags command;
  Task task = Task::gsm8k;
  std::string data;
  int32_t limit = 0;
  std::string adapter;
  GrpoOptions options;
  double alpha = 0;  // 0: twice the rank
};

class GrpoProgress : public TrainProgress {
 public:
  using TrainProgress::TrainProgress;

 protected:
  std::string label_of(const TrainStep& step) const override {
    return fmt::format("reward {:.3f}, {:.0f} % right, {:.0f} tokens", step.more[kReward],
                       100 * step.more[kAccuracy], step.more[kLength]);
  }
  std::string summary_of(const TrainStep& first, const TrainStep& last) const override {
    return fmt::format("reward {:.3f} to {:.3f}, length {:.0f} to {:.0f}", first.more[kReward],
                       last.more[kReward], first.more[kLength], last.more[kLength]);
  }
};

Result<int> grpo(GrpoFlags& flags) {
  CommandFlags& command = flags.command;
  GrpoOptions& options = flags.options;
  if (flags.data.empty()) return fail(ErrorCode::usage, "no questions: name a file with --data");
  if (command.output.empty()) return fail(ErrorCode::usage, "no output: name a folder with --out");
  PITH_TRY_VOID(check_utf8(options.group.system, "the system prompt"));
  PITH_TRY(const std::unique_ptr<Ranks> ranks, join_ranks(command.quiet));
  options.alpha = flags.alpha > 0 ? flags.alpha : 2 * options.rank;
  PITH_TRY(const std::string text, read_file(flags.data, kMostQuestionBytes));
  PITH_TRY(const std::vector<Question> questions,
           parse_questions(text, flags.data, flags.task, flags.limit));

  PITH_TRY(const OpenModel open, open_model({.model = command.model,
                                             .threads = options.threads,
                                             .chat_template = command.chat_template,
                                             .quiet = command.quiet}));
  PITH_TRY(const ChatTemplate chat, open.chat_template);
  PITH_TRY(const std::vector<TokenId> header, assistant_header(open.tokenizer, chat));
  std::unique_ptr<AdapterSource> start;
  if (!flags.adapter.empty()) {
    PITH_TRY(start, open_adapter(flags.adapter, open.model->config()));
  }
  GrpoModel model;
  model.file = open.file;
  model.rollout.model = open.model;
  model.rollout.pool = open.pool.get();
  model.rollout.tokenizer = &open.tokenizer;
  model.rollout.chat_template = chat;
  model.header = header;
  model.start = start.get();
  GrpoProgress progress(command.quiet);
  PITH_TRY(const RunEnd end,
           train_grpo(model, questions, options, is_right, command.output, *ranks, progress));
  PITH_TRY_VOID(ranks->finish());
  const std::string summary = progress.summary(printable(command.output, 400));
  if (!command.quiet) cli::print(summary);
  if (end.stopped.empty()) return 0;
  if (ranks->is_first()) {
    cli::report_line(fmt::format("pith: stopped after step {}: {}", end.steps, end.stopped));
  }
  return 1;
}

void add_question_flags(CLI::App& command, GrpoFlags& flags) {
  std::vector<std::pair<std::string_view, Task>> tasks;
  for (const Task task : kTasks) tasks.emplace_back(task_name(task), task);
  cli::add_choice<Task>(command, "--task", flags.task, tasks,
                        "What the file holds: gsm8k, math, multiple-choice, yes-no, jsonl [gsm8k]");
  command.add_option("--data", flags.data, "The questions, one JSON object a line")
      ->option_text("FILE");
  cli::add_number(command, "--limit", flags.limit, 0, kMostCount,
                  "The first N questions alone; 0: all");
}

void add_group_flags(CLI::App& command, GrpoOptions& options) {
  GroupOptions& group = options.group;
  cli::add_numbers(command, "--budgets", group.budgets, 1, kMostBudget / 2,
                   "Budgets in tokens, one for each group, in turns");
  cli::add_number(
      command, "--margin", group.margin, 0.0, 1.0,
      "Share of a budget by which an answer may miss it: worth all below, nothing above");
  cli::add_number(command, "--barrier-accuracy", options.barrier_accuracy, 0.0, 1.0,
                  "Least share of right answers with which a group's lengths count");
  command
      .add_option("--system", group.system,
                  "System prompt, with {budget}, in place of the one for reasoning")
      ->option_text("TEXT");
  cli::add_number(command, "--steps", options.steps, int64_t{1}, int64_t{kMostCount}, "Steps");
  cli::add_number(command, "--groups", options.groups, 1, kMostSamples,
                  "Groups of a step: questions");
  cli::add_number(command, "--samples", group.samples, 2, kMostSamples, "Answers of a group");
  cli::add_number(command, "--train-samples", options.train_samples, 0, kMostSamples,
                  "Of these, how many are trained on: those whose worth varies most; 0: all");
  cli::add_number(command, "--draws", options.draws, 1, 1000,
                  "Times that groups are drawn, until as many differ in their answers' worth; 1: "
                  "those that do not are not replaced");
  cli::add_number(command, "--temperature,--temp", group.temperature, 0.01f, 100.0f,
                  "Randomness of the answers");
  cli::add_number(command, "--parallel", group.parallel, 1, kMostParallelRollouts,
                  "Answers that are decoded together; none depends on it");
}

void add_loss_flags(CLI::App& command, GrpoOptions& options) {
  cli::add_number(command, "--updates", options.updates, 1, kMostSamples,
                  "Updates of a step: its groups are shared out to them");
  cli::add_choice<bool>(command, "--advantage", options.divide_by_deviation,
                        {{"deviation", true}, {"difference", false}},
                        "Of an answer in its group: deviation (the difference from the mean over "
                        "the standard deviation) or difference [deviation]");
  cli::add_choice<LossMean>(command, "--mean", options.mean,
                            {{"completion", LossMean::completion},
                             {"token", LossMean::token},
                             {"constant", LossMean::constant}},
                            "What the loss is averaged over: completion, token or constant "
                            "[completion]");
  cli::add_number(command, "--clip-low", options.loss.clip_low, 1e-6, 1.0,
                  "A ratio of probabilities counts from 1 less this");
  cli::add_number(command, "--clip-high", options.loss.clip_high, 1e-6, 1e6, "to 1 and this");
  cli::add_number(command, "--kl", options.loss.kl, 0.0, 1e6,
                  "Weight of the distance from the reference");
  cli::add_choice<KlReference>(command, "--reference", options.reference,
                               {{"base", KlReference::base}, {"start", KlReference::start}},
                               "What to stay close to: base (the model without adapter) or start "
                               "(with the one of --adapter) [base]");
  cli::add_choice<OldPolicy>(command, "--old", options.old,
                             {{"engine", OldPolicy::engine}, {"twin", OldPolicy::twin}},
                             "Whose probabilities ratios are taken to: engine (temperature 1 "
                             "alone) or twin [engine]");
}

void add_collapse_flags(CLI::App& command, CollapseLimits& limits) {
  cli::add_number(command, "--window", limits.window, 1, kMostCount,
                  "Steps whose means say how training goes");
  cli::add_number(command, "--least-accuracy", limits.accuracy_share, 0.0, 1.0,
                  "Stop where accuracy falls below this share of its best");
  cli::add_number(command, "--least-entropy", limits.least_entropy, 0.0, 100.0,
                  "Stop where a token's entropy is less nats");
  cli::add_number(command, "--most-entropy", limits.most_entropy, 0.0, 100.0, "or more");
  cli::add_number(command, "--most-kl", limits.most_kl, 0.0, 1e6,
                  "Stop where the distance from the reference is more nats a token");
}

}  // namespace

void add_grpo(CLI::App& app, cli::Context& context) {
  auto flags = std::make_shared<GrpoFlags>();
  CLI::App* command = app.add_subcommand(
      "grpo", "Train an adapter by reinforcement: right answers within a budget");
  add_question_flags(*command, *flags);
  add_command_flags(*command, flags->command,
                    "adapter, best, checkpoints, steps.csv, completions.jsonl, report.html");
  CLI::Option* adapter = command
                             ->add_option("--adapter", flags->adapter,
                                          "Begin with this adapter: a PEFT folder or a GGUF file")
                             ->option_text("PATH");
  for (CLI::Option* option : add_adapter_options(*command, flags->options, flags->alpha)) {
    option->excludes(adapter);
  }
  add_group_flags(*command, flags->options);
  add_loss_flags(*command, flags->options);
  add_collapse_flags(*command, flags->options.collapse);
  add_training_flags(*command, flags->options, "Of the order, the first factors and the answers");
  command->callback([flags, &context] { context.exit_status = cli::exit_status_of(grpo(*flags)); });
}

}  // namespace pith::train
