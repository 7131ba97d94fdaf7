// `pith train sft`: an adapter from samples that were right and from written answers.
#include <algorithm>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/flags.h"
#include "cli/output.h"
#include "cli/report.h"
#include "model/config.h"
#include "model/vocabulary.h"
#include "reason/pack.h"
#include "reason/question.h"
#include "runtime/open_model.h"
#include "text/prompt.h"
#include "text/utf8.h"
#include "train/command.h"
#include "train/commands.h"
#include "train/sft.h"
#include "train/written_answers.h"

namespace pith::train {
namespace {

constexpr int32_t kMostSteps = std::numeric_limits<int32_t>::max();

// From where on the adapter reads a prompt.
enum class AdapterFrom { assistant, prompt };

struct SftFlags {
  CommandFlags command;
  std::vector<std::string> data;
  std::vector<std::string> written;
  SftSelection selection;
  std::string system;  // of the examples; empty: that of the samples
  AdapterFrom adapter_from = AdapterFrom::assistant;
  SftOptions options;
  double alpha = 0;  // 0: twice the rank
};

std::string summary_of(const SftData& data) {
  return fmt::format(
      "{} examples of {} questions out of {} samples; left out: {} wrong, {} unfinished, {} too "
      "long, {} repeated, {} longer than others\n",
      data.examples.size(), data.questions, data.samples, data.wrong, data.unfinished,
      data.long_ones, data.repeated, data.surplus);
}

class SftProgress : public TrainProgress {
 public:
  using TrainProgress::TrainProgress;

 protected:
  std::string label_of(const TrainStep& step) const override {
    return fmt::format("loss {:.3f}, {:.1f} tokens/s", step.loss,
                       static_cast<double>(step.tokens) / step.seconds);
  }
  std::string summary_of(const TrainStep& first, const TrainStep& last) const override {
    return fmt::format("loss {:.4f} to {:.4f}", first.loss, last.loss);
  }
};

// `system`: empty: the one for reasoning. `tokenizer` is borrowed.
SftPrompt prompt_with(const std::string& system, const Tokenizer& tokenizer, ChatTemplate chat) {
  return [&tokenizer, system, chat](const std::string& asked,
                                    int32_t budget) -> Result<std::vector<TokenId>> {
    QuestionStyle style;
    if (!system.empty()) style.system = with_budget(system, budget);
    PITH_TRY(QuestionPrompts prompts,
             question_prompts(style, AnswerKind::number, asked, chat, tokenizer));
    return std::move(prompts.thinking.encoded.ids);
  };
}

Status check_prompts(const SftFlags& flags) {
  PITH_TRY_VOID(check_utf8(flags.system, "the system prompt"));
  const bool stated = flags.system.find(kBudgetMark) != std::string::npos;
  if (stated == !flags.selection.budgets.empty()) return {};
  return fail(ErrorCode::usage,
              "--budgets needs a --system with {}, where they are stated, and the other way round",
              kBudgetMark);
}

Result<int> sft(SftFlags& flags) {
  CommandFlags& command = flags.command;
  if (flags.data.empty() && flags.written.empty()) {
    return fail(ErrorCode::usage, "no samples: name their file with --data or --written");
  }
  if (command.output.empty()) return fail(ErrorCode::usage, "no output: name a folder with --out");
  PITH_TRY_VOID(check_prompts(flags));
  std::sort(flags.selection.budgets.begin(), flags.selection.budgets.end());
  PITH_TRY(const std::unique_ptr<Ranks> ranks, join_ranks(command.quiet));
  flags.options.alpha = flags.alpha > 0 ? flags.alpha : 2 * flags.options.rank;
  PITH_TRY(const OpenTokenizer model, open_tokenizer(command.model));
  PITH_TRY(const ModelConfig config, read_model_config(*model.file));
  PITH_TRY(const ChatTemplate chat, command.chat_template.empty()
                                        ? read_chat_template(*model.file)
                                        : chat_template_by_name(command.chat_template));
  PITH_TRY(const std::vector<TokenId> invocation, flags.adapter_from == AdapterFrom::assistant
                                                      ? assistant_header(model.tokenizer, chat)
                                                      : system_header(model.tokenizer, chat));
  const SftPrompt prompt = prompt_with(flags.system, model.tokenizer, chat);
  std::vector<LoggedCompletion> written;
  for (const std::string& path : flags.written) {
    PITH_TRY(std::vector<LoggedCompletion> more,
             read_written_answers(path, model.tokenizer, prompt));
    std::move(more.begin(), more.end(), std::back_inserter(written));
  }
  // Without a --system, prompts of samples stay as they were drawn with.
  PITH_TRY(const SftData data, read_sft_data(flags.data, std::move(written), flags.selection,
                                             {config.vocabulary, config.context, invocation},
                                             flags.system.empty() ? nullptr : prompt));
  if (!command.quiet) cli::print_now(summary_of(data));
  SftProgress progress(command.quiet);
  PITH_TRY_VOID(
      train_sft(model.file, invocation, data, flags.options, command.output, *ranks, progress));
  PITH_TRY_VOID(ranks->finish());
  const std::string summary = progress.summary(printable(command.output, 400));
  if (!command.quiet) cli::print(summary);
  return 0;
}

void add_data_flags(CLI::App& command, SftFlags& flags) {
  cli::add_repeated(command, "--data", flags.data, "FILE",
                    "What 'pith sample' wrote; several files are taken together");
  cli::add_repeated(
      command, "--written", flags.written, "FILE",
      "Answers that somebody wrote: a JSON object a line, with question and response");
  cli::add_choice<bool>(command, "--keep", flags.selection.correct_only,
                        {{"correct", true}, {"all", false}},
                        "Samples to train on: correct, or all that came to an end [correct]");
  cli::add_number(command, "--per-question", flags.selection.per_question, 0, kMostSteps,
                  "Samples of a question, the shortest; 0: all; with --budgets: for each");
  cli::add_number(command, "--most-tokens", flags.selection.most_tokens, 0, kMostSteps,
                  "Leave out longer answers; 0: none");
  command
      .add_option("--system", flags.system,
                  "System prompt in place of the one that the samples were drawn with")
      ->option_text("TEXT");
  cli::add_numbers(command, "--budgets", flags.selection.budgets, 1, kMostBudget,
                   "Budgets in tokens, for {budget} in --system: each answer's prompt states the "
                   "smallest one that it keeps; longer ones are left out");
  cli::add_choice<AdapterFrom>(
      command, "--adapter-from", flags.adapter_from,
      {{"assistant", AdapterFrom::assistant}, {"prompt", AdapterFrom::prompt}},
      "Where the adapter is switched on: assistant, so that the base model reads the prompt and "
      "that serves all; prompt, so that it reads that too, from the system message's header on "
      "[assistant]");
}

void add_batch_flags(CLI::App& command, SftOptions& options) {
  cli::add_number(command, "--dropout", options.dropout, 0.0, 0.95,
                  "Share of its inputs that a pass leaves out");
  cli::add_number(command, "--epochs", options.epochs, 1, 1000, "Times through the examples");
  cli::add_number<int64_t>(command, "--steps", options.steps, 0, kMostSteps,
                           "Steps in place of epochs; 0: by epochs");
  cli::add_number(command, "--batch", options.batch, 1, kMostSteps, "Examples of a step");
}

}  // namespace

void add_sft(CLI::App& app, cli::Context& context) {
  auto flags = std::make_shared<SftFlags>();
  CLI::App* command = app.add_subcommand(
      "sft",
      "Train an adapter on samples of the model's own that were right, or on written answers");
  add_data_flags(*command, *flags);
  add_command_flags(*command, flags->command, "adapter, checkpoints, steps.csv, report.html");
  add_adapter_options(*command, flags->options, flags->alpha);
  add_batch_flags(*command, flags->options);
  add_training_flags(*command, flags->options, "Of the order, the first factors and the dropout");
  command->callback([flags, &context] { context.exit_status = cli::exit_status_of(sft(*flags)); });
}

}  // namespace pith::train
