// `pith ask`: one question, several branches, one answer.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <new>
#include <string>

#include "base/terminal.h"
#include "cli/ask_report.h"
#include "cli/branch_view.h"
#include "cli/commands.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/open_model.h"
#include "cli/report.h"
#include "cli/run_options.h"
#include "cli/style.h"
#include "reason/self_consistency.h"
#include "text/prompt.h"

namespace pith::cli {
namespace {

struct AskOptions {
  RunOptions run;
  std::string question;
  SelfConsistencyOptions reason;
  std::string system;
  bool own_system = false;  // the user gave one, perhaps an empty one
  bool own_temperature = false;
  bool json = false;
};

// What a question of the kind is asked with.
std::string default_system(AnswerKind kind) {
  switch (kind) {
    case AnswerKind::choice:
      return "Please reason step by step, and put the letter of your final answer within "
             "\\boxed{}.";
    case AnswerKind::yes_no:
      return "Please reason step by step, and put your final answer, Yes or No, within \\boxed{}.";
    case AnswerKind::number:
      break;
  }
  return std::string(kReasoningPrompt);
}

Result<std::string> read_question(const AskOptions& options) {
  std::string question = options.question;
  if (question.empty() || question == "-") {
    if (question.empty() && isatty(STDIN_FILENO) != 0) {
      return fail(ErrorCode::usage, "no question: give it as an argument or on standard input");
    }
    PITH_TRY(question, read_standard_input());
  }
  const size_t end = question.find_last_not_of(" \t\r\n");
  question.erase(end == std::string::npos ? 0 : end + 1);
  if (question.empty()) return fail(ErrorCode::usage, "the question is empty");
  PITH_TRY_VOID(check_utf8(question, "the question"));
  PITH_TRY_VOID(check_utf8(options.system, "the system prompt"));
  return question;
}

Result<std::vector<TokenId>> make_prompt(const OpenModel& model, ChatTemplate chat_template,
                                         const AskOptions& options, const std::string& question) {
  std::vector<ChatMessage> messages;
  const std::string system =
      options.own_system ? options.system : default_system(options.reason.kind);
  if (!system.empty()) messages.push_back({Role::system, system});
  messages.push_back({Role::user, question});
  PITH_TRY(const RenderedPrompt rendered, render_chat(chat_template, messages));
  return encode_prompt(model.tokenizer, rendered).ids;
}

// An engine with room for just this question.
Result<std::unique_ptr<Engine>> make_engine(const OpenModel& model, const RunOptions& run,
                                            size_t prompt_tokens, SelfConsistencyOptions reason) {
  EngineOptions options;
  options.kv_type = run.kv_type;
  options.context_tokens = run.context_tokens;
  const int32_t limit = model.model->config().context;
  const int32_t context = run.context_tokens > 0 ? std::min(run.context_tokens, limit) : limit;
  // A longer prompt is refused, and a longer budget cut, when the question runs.
  const int32_t prompt =
      static_cast<int32_t>(std::min(prompt_tokens, static_cast<size_t>(context)));
  reason.budget_tokens = std::min(reason.budget_tokens, std::max(context - prompt, 1));
  options.kv_tokens = kv_tokens_needed(model.tokenizer, prompt, reason);
  return Engine::create(model.model, *model.pool, options);
}

// Writes the text of a single branch as it comes.
class TextStream : public DecodeObserver {
 public:
  TextStream() : style_(STDOUT_FILENO), painter_(style_) {}

  void on_token(size_t, const Branch&, std::string_view text) override {
    write(painter_.paint(text));
  }
  void on_finish(size_t, const Branch&) override { write(painter_.finish() + "\n\n"); }
  bool cancelled() override { return interrupted(); }

 private:
  static void write(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  Style style_;
  ThoughtPainter painter_;
};

std::unique_ptr<DecodeObserver> make_observer(const AskOptions& options) {
  const bool quiet = options.run.model.quiet;
  if (options.reason.branches == 1 && !quiet && !options.json) {
    return std::make_unique<TextStream>();
  }
  return std::make_unique<BranchView>(static_cast<size_t>(options.reason.branches), quiet);
}

std::string output_text(const AskOptions& options, const AskReport& report) {
  if (options.json) return report_json(report);
  if (options.run.model.quiet) return winning_answer(report.result) + "\n";
  return report_text(report, Style(STDOUT_FILENO), terminal_columns(STDOUT_FILENO));
}

// Returns the exit status.
Result<int> ask(AskOptions& options) {
  PITH_TRY(const std::string question, read_question(options));
  PITH_TRY(const OpenModel model, open_model(options.run.model));
  PITH_TRY(const ChatTemplate chat_template, model.chat_template);
  PITH_TRY(const std::vector<TokenId> prompt, make_prompt(model, chat_template, options, question));

  SelfConsistencyOptions& reason = options.reason;
  reason.sampling = options.run.sampling;
  if (reason.branches == 1 && !options.own_temperature) reason.sampling.temperature = 0;
  reason.thinking_end = thinking_end(chat_template);
  PITH_TRY(const auto engine, make_engine(model, options.run, prompt.size(), reason));

  watch_interrupts();
  AskReport report;
  report.model = options.run.model.model;
  report.thinking = !options.own_system || !reason.thinking_end.empty();
  report.load_s = model.load_s;
  report.seed = reason.sampling.seed;
  const auto observer = make_observer(options);
  PITH_TRY(report.result, self_consistency(*engine, model.tokenizer, prompt, reason, *observer));
  if (auto* view = dynamic_cast<BranchView*>(observer.get())) view->clear();

  const std::string text = output_text(options, report);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return report.result.cancelled() ? 130 : 0;
}

int run_ask(AskOptions& options) {
  try {
    const Result<int> status = ask(options);
    return status ? *status : report_error(status.error());
  } catch (const std::bad_alloc&) {
    return report_error({ErrorCode::exhausted, "out of memory"});
  }
}

}  // namespace

void add_ask(CLI::App& app, Context& context) {
  auto options = std::make_shared<AskOptions>();
  CLI::App* command =
      app.add_subcommand("ask", "Answer a question by the vote of several branches of reasoning");
  command->add_option("question", options->question,
                      "The question; without it, or as '-', standard input is read");
  add_model_flags(*command, options->run);
  command->add_option("-n,--branches", options->reason.branches, "Branches that vote")
      ->check(CLI::Range(1, kMostBranches))
      ->capture_default_str();
  command
      ->add_option("--budget", options->reason.budget_tokens,
                   "Tokens that each branch may think before it must answer")
      ->check(CLI::Range(1, 1 << 24))
      ->capture_default_str();
  add_choice<AnswerKind>(*command, "--answer", options->reason.kind,
                         {{"number", AnswerKind::number},
                          {"choice", AnswerKind::choice},
                          {"yes-no", AnswerKind::yes_no}},
                         "What is asked for: number (or any expression), choice, yes-no [number]");
  CLI::Option* system = command->add_option("--system", options->system,
                                            "System prompt, in place of the one for reasoning");
  CLI::Option* temperature = add_sampling_flags(*command, options->run);
  temperature->description("Randomness; 0 takes the likeliest token [0.7; 0 with one branch]");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->callback([options, system, temperature, &context] {
    options->own_system = system->count() > 0;
    options->own_temperature = temperature->count() > 0;
    context.exit_status = run_ask(*options);
  });
}

}  // namespace pith::cli
