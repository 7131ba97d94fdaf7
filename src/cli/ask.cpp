// `pith ask`: one question, several branches, one answer.
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/terminal.h"
#include "cli/adapter_options.h"
#include "cli/ask_report.h"
#include "cli/branch_view.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/pack_options.h"
#include "cli/report.h"
#include "cli/rollout_setup.h"
#include "cli/run_options.h"
#include "cli/style.h"
#include "cli/text_width.h"
#include "eval/report_calibration.h"
#include "reason/self_consistency.h"
#include "runtime/ask.h"

namespace pith::cli {
namespace {

constexpr double kLeastStopAt = 0.501;  // a coin would do below
constexpr double kMostStopAt = 0.9999;

// Left of a deadline for what follows the report: to give the memory of a model of 1 GB back
// takes 0.04 s.
constexpr double kEndSeconds = 0.05;

struct AskOptions {
  RunOptions run;
  AdapterOptions adapter;
  PackOptions pack;
  std::string question;
  std::string file;
  SelfConsistencyOptions reason;
  std::string calibration_file;  // a report of pith eval; empty: none
  std::string system;
  bool own_system = false;  // the user gave one, perhaps an empty one
  bool own_temperature = false;
  bool own_budget = false;
  bool all_branches = false;  // none is ended early
  std::optional<double> deadline_s;
  Clock::time_point start;  // of the program
  bool json = false;
};

Result<std::string> raw_question(const AskOptions& options) {
  if (!options.file.empty()) return read_file(options.file, kMostQuestionBytes);
  if (!options.question.empty() && options.question != "-") return options.question;
  if (options.question.empty() && isatty(STDIN_FILENO) != 0) {
    return fail(ErrorCode::usage, "no question: give it as an argument or on standard input");
  }
  return read_standard_input(kMostQuestionBytes);
}

// Of the report that the user names; none: the pack's is taken.
Result<std::optional<Calibration>> calibration_of(const AskOptions& options, const OpenModel& model,
                                                  const std::optional<LoadedPack>& pack) {
  if (options.calibration_file.empty()) return std::nullopt;
  PITH_TRY(const VoteRule vote, chosen_vote(options.pack.vote, pack ? &*pack : nullptr));
  PITH_TRY(const auto writer, writer_settings(model, options.adapter, pack));
  PITH_TRY(const std::string report, read_file(options.calibration_file, kMostReportBytes));
  PITH_TRY(Calibration calibration,
           report_calibration(report, options.calibration_file, vote, writer));
  return std::optional(std::move(calibration));
}

// What of the options is meant as the user gave it.
Ask how_to_ask(const AskOptions& options) {
  Ask how;
  if (options.own_system) how.system = options.system;
  if (options.own_budget) how.budget_tokens = options.reason.budget_tokens;
  if (options.own_temperature) how.temperature = options.run.sampling.temperature;
  how.vote = options.pack.vote;
  how.think = options.pack.think;
  how.kv_type = options.run.kv_type;
  how.context_tokens = options.run.context_tokens;
  if (options.deadline_s) {
    const std::chrono::duration<double> left(*options.deadline_s - kEndSeconds);
    how.deadline = options.start + std::chrono::duration_cast<Clock::duration>(left);
  }
  how.reason = options.reason;
  how.reason.sampling = options.run.sampling;
  how.reason.stop_when_decided = !options.all_branches;
  return how;
}

// Writes the text of a single branch as it comes.
class TextStream : public DecodeObserver {
 public:
  explicit TextStream(ChatTemplate chat_template)
      : style_(STDOUT_FILENO), painter_(style_, opens_thought(chat_template)) {}

  void on_token(size_t, const Branch&, std::string_view text) override {
    print_now(painter_.paint(text));
  }
  void on_finish(size_t, const Branch&, std::optional<double>) override {
    print_now(painter_.finish() + "\n\n");
  }
  bool cancelled() override { return interrupted() || output_failed(); }

 private:
  Style style_;
  ThoughtPainter painter_;
};

std::unique_ptr<DecodeObserver> make_observer(const AskOptions& options,
                                              ChatTemplate chat_template) {
  const bool quiet = options.run.model.quiet;
  if (options.reason.branches == 1 && !quiet && !options.json) {
    return std::make_unique<TextStream>(chat_template);
  }
  return std::make_unique<BranchView>(quiet);
}

std::string output_text(const AskOptions& options, const AskReport& report) {
  if (options.json) return report_json(report);
  if (options.run.model.quiet) return one_line(winning_answer(report.result)) + "\n";
  return report_text(report, Style(STDOUT_FILENO), terminal_columns(STDOUT_FILENO));
}

// Returns the exit status.
Result<int> answer(const AskOptions& options) {
  PITH_TRY_VOID(check_vote(options.pack));
  PITH_TRY(std::string text, raw_question(options));
  PITH_TRY(const std::string question, clean_question(std::move(text)));
  PITH_TRY(const OpenModel model, open_model(options.run.model));
  PITH_TRY(const ChatTemplate chat_template, model.chat_template);
  PITH_TRY(std::optional<LoadedPack> pack,
           load_pack(model, options.pack, options.adapter.precision));
  Ask how = how_to_ask(options);
  PITH_TRY(how.reason.calibration, calibration_of(options, model, pack));
  PITH_TRY(auto adapter, load_adapter(model, options.adapter));
  const Reasoner reasoner{model, *model.pool, pack ? &*pack : nullptr, std::move(adapter)};

  watch_interrupts();
  AskReport report;
  report.model = options.run.model.model;
  report.load_s = model.load_s;
  report.seed = how.reason.sampling.seed;
  const auto observer = make_observer(options, chat_template);
  PITH_TRY(Asked asked, ask(reasoner, question, how, *observer));
  report.vote = asked.vote;
  report.thinking = asked.thinking;
  report.result = std::move(asked.result);
  if (auto* view = dynamic_cast<BranchView*>(observer.get())) view->clear();
  if (options.deadline_s) {
    report.deadline = {*options.deadline_s, seconds_since(options.start)};
  }

  print(output_text(options, report));
  // An answer that nobody could read is no Ctrl-C: main() reports it.
  return report.result.cancelled() && !output_failed() ? 130 : 0;
}

}  // namespace

void add_ask(CLI::App& app, Context& context) {
  auto options = std::make_shared<AskOptions>();
  CLI::App* command =
      app.add_subcommand("ask", "Answer a question by the vote of several branches of reasoning");
  CLI::Option* question =
      command->add_option("question,-p,--prompt", options->question,
                          "The question; without it, or as '-', standard input is read");
  question->option_text("TEXT");
  command->add_option("-f,--file", options->file, "Read the question from a file")
      ->option_text("FILE")
      ->excludes(question);
  CLI::Option* branches = add_number(
      *command, "-n,--branches", options->reason.branches, 1, kMostBranches,
      "Branches that vote; with --temperature 0, where all are the same, 1 unless given");
  add_number(*command, "--parallel", options->reason.parallel, 0, kMostBranches,
             "Branches that run at once, each handing its place to the next; 0: all");
  add_vote_flag(*command, options->pack.vote, "What a branch's vote weighs", kAskedVote);
  const auto stop_at = [options](const std::string& text) {
    options->reason.stop_at = number_or_throw("--stop-at", text, kLeastStopAt, kMostStopAt);
  };
  CLI::Option* early = command->add_option_function<std::string>(
      "--stop-at", stop_at,
      "Stop as soon as the leading answer would win with this probability [once no branch can "
      "change the winner]");
  early->option_text("P");
  command
      ->add_flag("--all-branches", options->all_branches,
                 "Let every branch finish, even when the winner is certain")
      ->excludes(early);
  CLI::Option* budget =
      add_number(*command, "--budget", options->reason.budget_tokens, 1, kMostBudget,
                 "Tokens that each branch may take before it must answer; a pack has its own");
  add_landing_flag(*command, options->reason.soft_landing);
  const auto deadline = [options](const std::string& text) {
    options->deadline_s = number_or_throw("--deadline", text, kLeastDeadline, kMostDeadline);
  };
  command
      ->add_option_function<std::string>(
          "--deadline", deadline,
          "Answer within so many seconds, loading included: as many branches and tokens as fit, "
          "at most --branches and --budget [no limit]")
      ->option_text("SECONDS");
  command
      ->add_option("--calibration", options->calibration_file,
                   "A report of 'pith eval --json' of this model: confidence is then how often "
                   "such votes are right; a pack may have its own [the share of the votes]")
      ->option_text("FILE");
  add_choice<AnswerKind>(*command, "--answer", options->reason.kind,
                         {{"number", AnswerKind::number},
                          {"choice", AnswerKind::choice},
                          {"yes-no", AnswerKind::yes_no}},
                         "What is asked for: number (or any expression), choice, yes-no [number]");
  CLI::Option* system = add_system_option(*command, options->system,
                                          "System prompt, in place of the one for reasoning");
  command->add_flag("--json", options->json, "Print one JSON object");
  CLI::Option* adapter = add_adapter_flags(*command, options->adapter);
  add_pack_flags(*command, options->pack, adapter);
  add_loading_flags(*command, options->run, "Print the answer alone");
  add_conversation_flags(*command, options->run, "what the model takes");
  CLI::Option* temperature = add_sampling_flags(*command, options->run);
  temperature->description("Randomness; 0: always the likeliest token [0.7; 0 with one branch]");
  command->callback([options, branches, system, temperature, budget, &context] {
    const bool varies = options->run.sampling.temperature > 0;
    if (branches->count() == 0 && !varies) options->reason.branches = 1;
    options->own_budget = budget->count() > 0;
    options->own_system = system->count() > 0;
    options->own_temperature = temperature->count() > 0;
    options->start = context.start;
    context.exit_status = exit_status_of(answer(*options));
  });
}

}  // namespace pith::cli
