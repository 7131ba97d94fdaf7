// `pith chat`: a conversation on the terminal, or line by line from a pipe.
#include <unistd.h>

#include <limits>
#include <memory>
#include <string>

#include "base/ascii.h"
#include "cli/adapter_options.h"
#include "cli/chat_session.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/line_editor.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/run_options.h"
#include "runtime/chat.h"
#include "runtime/open_model.h"
#include "text/utf8.h"

namespace pith::cli {
namespace {

constexpr std::string_view kFence = "\"\"\"";

struct ChatOptions {
  RunOptions run;
  AdapterOptions adapter;
  std::string system;
  int32_t most_tokens = 0;
};

// The rest of a message that began with """, up to the line that ends with it.
ReadLine read_fenced(LineEditor& editor, std::string text) {
  text.erase(0, kFence.size());
  while (!std::string_view(text).ends_with(kFence)) {
    ReadLine next = editor.read(". ");
    if (next.outcome != ReadOutcome::line) return next;
    text += '\n';
    text += next.text;
  }
  text.erase(text.size() - kFence.size());
  return {ReadOutcome::line, std::move(text)};
}

ReadLine read_message(LineEditor& editor) {
  ReadLine line = editor.read("> ");
  const bool fenced = line.outcome == ReadOutcome::line && line.text.starts_with(kFence);
  return fenced ? read_fenced(editor, std::move(line.text)) : line;
}

// Until the user leaves, or nobody can read the replies. Returns the exit status: a
// person has seen what failed, a program that sends its messages by a pipe is told.
int talk(ChatSession& session) {
  const bool person = isatty(STDIN_FILENO) != 0;
  const auto editor = make_line_editor();
  bool goes_on = true;
  while (goes_on && !output_failed()) {
    const ReadLine message = read_message(*editor);
    if (message.outcome != ReadOutcome::line) {
      if (person) print("\n");
      if (message.outcome == ReadOutcome::interrupted) return 130;
      break;
    }
    if (is_blank(message.text)) continue;
    if (message.text.front() != '/') {
      session.say(message.text);
    } else {
      goes_on = session.command(message.text);
    }
  }
  return session.failed() && !person ? 1 : 0;
}

Result<int> chat(const ChatOptions& options) {
  PITH_TRY_VOID(check_utf8(options.system, "the system prompt"));
  PITH_TRY(const OpenModel model, open_model(options.run.model));
  PITH_TRY(const ChatTemplate chat_template, model.chat_template);
  PITH_TRY(const auto engine, make_chat_engine(model.model, *model.pool, options.run.kv_type,
                                               options.run.context_tokens));

  ChatSettings settings;
  settings.system = options.system;
  settings.reply.sampling = options.run.sampling;
  settings.reply.most_tokens = options.most_tokens;
  PITH_TRY(settings.reply.adapter, attach_adapter(*engine, model, options.adapter));
  settings.quiet = options.run.model.quiet;
  ChatSession session(model, chat_template, *engine, std::move(settings));
  watch_interrupts();
  return talk(session);
}

}  // namespace

void add_chat(CLI::App& app, Context& context) {
  auto options = std::make_shared<ChatOptions>();
  CLI::App* command = app.add_subcommand("chat", "Talk with a model; /help lists the commands");
  add_number(*command, "--tokens", options->most_tokens, 0, std::numeric_limits<int32_t>::max(),
             "Longest reply in tokens; 0: to the end of the context");
  add_system_option(*command, options->system, "System prompt");
  add_adapter_flags(*command, options->adapter);
  add_loading_flags(*command, options->run, "Print the replies alone");
  add_conversation_flags(*command, options->run,
                         fmt::format("{}, or what the model takes if less", kChatContext));
  add_sampling_flags(*command, options->run);
  command->callback([options, &context] { context.exit_status = exit_status_of(chat(*options)); });
}

}  // namespace pith::cli
