#include "cli/chat_session.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/ascii.h"
#include "cli/chat_file.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/text_width.h"
#include "reason/question.h"
#include "text/utf8.h"

namespace pith::cli {
namespace {

constexpr std::string_view kHelp =
    "/clear          forget the conversation\n"
    "/regen          answer the last message again\n"
    "/save FILE      write the conversation to a JSON file\n"
    "/load FILE      take one up again\n"
    "/system TEXT    set the system prompt; without TEXT, remove it\n"
    "/set            show the settings; /set NAME VALUE changes one\n"
    "/stats          tokens and speeds so far\n"
    "/exit           leave, as Ctrl-D does\n"
    "\"\"\" begins and ends a message of several lines. Ctrl-C stops a reply.\n";

// The first word, and what follows it.
std::pair<std::string_view, std::string_view> split_word(std::string_view text) {
  text = trimmed(text);
  const size_t end = std::min(text.find_first_of(" \t"), text.size());
  return {text.substr(0, end), trimmed(text.substr(end))};
}

// Sets `value` to the number, if it is one from least to most.
template <class T>
bool set_number(std::string_view text, T least, T most, T& value) {
  const std::optional<T> number = parse_number(text, least, most);
  value = number.value_or(value);
  return number.has_value();
}

std::string_view think_name(Think think) {
  return think == Think::automatic ? "auto" : think == Think::on ? "on" : "off";
}

class ReplyStream : public DecodeObserver {
 public:
  ReplyStream(const Style& style, bool in_thought) : painter_(style, in_thought) {}

  void on_token(size_t, const Branch&, std::string_view text) override {
    print_now(painter_.paint(text));
  }
  void on_finish(size_t, const Branch&, std::optional<double>) override {
    print_now(painter_.finish() + "\n");
  }
  bool cancelled() override { return interrupted() || output_failed(); }

 private:
  ThoughtPainter painter_;
};

}  // namespace

ChatSession::ChatSession(const OpenModel& model, ChatTemplate chat_template, Engine& engine,
                         ChatSettings settings)
    : model_(model),
      chat_template_(chat_template),
      engine_(engine),
      conversation_(engine, model.tokenizer, chat_template),
      settings_(std::move(settings)),
      out_(STDOUT_FILENO),
      err_(STDERR_FILENO) {}

bool ChatSession::thinks_by_itself() const { return !thinking_end(chat_template_).empty(); }

bool ChatSession::thinks() const {
  return settings_.think == Think::automatic ? thinks_by_itself() : settings_.think == Think::on;
}

void ChatSession::note(std::string_view text) const {
  if (settings_.quiet || output_failed()) return;
  report_line(err_.paint(Colour::dim, fmt::format("[{}]", text)));
}

void ChatSession::complain(std::string_view text) {
  failed_ = true;
  report_line(err_.paint(Colour::red, fmt::format("pith: {}", text)));
}

// ---- Talking

// A model that does not think by itself is asked to reason in the system prompt.
std::string ChatSession::system_text() const {
  if (!thinks() || thinks_by_itself()) return settings_.system;
  if (settings_.system.empty()) return std::string(kReasoningPrompt);
  return settings_.system + "\n" + std::string(kReasoningPrompt);
}

std::vector<ChatMessage> ChatSession::with_system() const {
  std::vector<ChatMessage> messages;
  if (std::string system = system_text(); !system.empty()) {
    messages.push_back({Role::system, std::move(system)});
  }
  messages.insert(messages.end(), history_.begin(), history_.end());
  return messages;
}

void ChatSession::say(std::string message) {
  if (const Status valid = check_utf8(message, "the message"); !valid) {
    return complain(valid.error().message);
  }
  history_.push_back({Role::user, std::move(message)});
  if (!reply()) history_.pop_back();  // a message that cannot be answered is taken back
}

// Replies to the history, which ends with the user's message. False when it cannot;
// the history is then as it was.
bool ChatSession::reply() {
  std::vector<ChatMessage> messages = with_system();
  const bool has_system = messages.size() > history_.size();
  ReplyOptions options = settings_.reply;
  options.thinking = thinks();
  const bool opens_in_thought = options.thinking && opens_thought(chat_template_);
  ReplyStream stream(out_, opens_in_thought);
  const auto reply = conversation_.reply(messages, options, stream);
  reset_interrupted();
  if (!reply) {
    const bool stopped = reply.error().code == ErrorCode::cancelled;
    stopped ? note("stopped") : complain(reply.error().message);
    return false;
  }
  history_.assign(messages.begin() + (has_system ? 1 : 0), messages.end());
  history_.push_back({Role::assistant, reply->text});
  finish_reply(*reply);
  return true;
}

void ChatSession::finish_reply(const Reply& reply) {
  ++totals_.replies;
  totals_.read_tokens += reply.prompt_tokens - reply.reused_tokens;
  totals_.written_tokens += reply.reply_tokens;
  totals_.read_s += reply.prefill_s;
  totals_.written_s += reply.decode_s;
  if (reply.dropped_turns > 0) {
    note(fmt::format("the context of {} tokens was full: the oldest {} forgotten",
                     engine_.options().context_tokens,
                     reply.dropped_turns == 1 ? std::string("turn is")
                                              : fmt::format("{} turns are", reply.dropped_turns)));
  }
  if (reply.finish_reason == FinishReason::cancelled) note("stopped");
  if (reply.finish_reason == FinishReason::context) {
    note("the context is full: the reply ends here; the next message drops the oldest turns");
  }
  if (isatty(STDOUT_FILENO) != 0) footer(reply);
}

void ChatSession::footer(const Reply& reply) const {
  note(fmt::format("prompt {} tokens, {:.1f} tok/s; reply {} tokens, {:.1f} tok/s",
                   reply.prompt_tokens - reply.reused_tokens, reply.prefill_tokens_per_s(),
                   reply.reply_tokens, reply.decode_tokens_per_s()));
}

// ---- Commands

bool ChatSession::command(std::string_view line) {
  const auto [name, rest] = split_word(line);
  const std::string argument(rest);
  if (name == "/exit" || name == "/quit" || name == "/bye") return false;
  if (name == "/clear") {
    clear();
  } else if (name == "/regen") {
    regenerate();
  } else if (name == "/save" || name == "/load") {
    if (argument.empty()) {
      complain(fmt::format("{} needs the name of a file", name));
    } else {
      name == "/save" ? save(argument) : load(argument);
    }
  } else if (name == "/system") {
    set_system(rest);
  } else if (name == "/set") {
    set(rest);
  } else if (name == "/stats") {
    show_stats();
  } else if (name == "/help" || name == "/?") {
    print_now(kHelp);
  } else {
    complain(fmt::format("no command {}; /help lists them", printable(name, 40)));
  }
  return true;
}

void ChatSession::clear() {
  history_.clear();
  note("the conversation is forgotten");
}

void ChatSession::regenerate() {
  if (history_.size() < 2) return complain("there is no reply to make again");
  ChatMessage previous = std::move(history_.back());
  history_.pop_back();
  if (!reply()) history_.push_back(std::move(previous));
}

void ChatSession::save(const std::string& path) {
  const Status saved = save_chat({settings_.system, history_}, path);
  saved ? note(fmt::format("{} messages saved", history_.size())) : complain(saved.error().message);
}

void ChatSession::load(const std::string& path) {
  Result<SavedChat> chat = load_chat(path);
  if (!chat) return complain(chat.error().message);
  settings_.system = std::move(chat->system);
  history_ = std::move(chat->messages);
  // A message that waits for its answer cannot be followed by another.
  if (history_.size() % 2 == 1) history_.pop_back();
  note(fmt::format("{} messages loaded", history_.size()));
}

void ChatSession::set_system(std::string_view text) {
  if (const Status valid = check_utf8(text, "the system prompt"); !valid) {
    return complain(valid.error().message);
  }
  settings_.system = text;
  note(text.empty() ? "no system prompt" : "the system prompt is set");
}

Status ChatSession::set_think(std::string_view value) {
  if (value == "auto") {
    settings_.think = Think::automatic;
  } else if (value == "on" || value == "off") {
    settings_.think = value == "on" ? Think::on : Think::off;
  } else {
    return fail(ErrorCode::usage, "think is on, off or auto, not '{}'", printable(value, 40));
  }
  if (thinks_by_itself()) {
    note(thinks() ? "the model thinks before it replies" : "the model replies at once");
  } else {
    note(thinks() ? "this model has no thoughts of its own: the system prompt asks it to reason"
                  : "the system prompt does not ask for reasoning");
  }
  return {};
}

void ChatSession::set(std::string_view arguments) {
  const auto [name, value] = split_word(arguments);
  SamplingOptions& sampling = settings_.reply.sampling;
  bool good = false;
  if (name.empty()) return show_settings();
  if (name == "think") {
    const Status status = set_think(value);
    return status ? void() : complain(status.error().message);
  }
  if (name == "temperature") {
    good = set_number(value, 0.0f, 100.0f, sampling.temperature);
  } else if (name == "top-k") {
    good = set_number(value, 0, 1 << 30, sampling.top_k);
  } else if (name == "top-p") {
    good = set_number(value, 0.0f, 1.0f, sampling.top_p);
  } else if (name == "min-p") {
    good = set_number(value, 0.0f, 1.0f, sampling.min_p);
  } else if (name == "repetition-penalty") {
    good = set_number(value, 0.1f, 10.0f, sampling.repetition_penalty);
  } else if (name == "seed") {
    good = set_number<uint64_t>(value, 0, UINT64_MAX, sampling.seed);
  } else if (name == "tokens") {
    good = set_number(value, 0, 1 << 30, settings_.reply.most_tokens);
  } else {
    return complain(fmt::format("no setting '{}'; /set shows them", printable(name, 40)));
  }
  if (!good) complain(fmt::format("{} cannot be '{}'", name, printable(value, 40)));
}

void ChatSession::show_settings() const {
  const SamplingOptions& sampling = settings_.reply.sampling;
  const int32_t tokens = settings_.reply.most_tokens;
  print_now(fmt::format(
      "think {}\ntemperature {}\ntop-k {}\ntop-p {}\nmin-p {}\nrepetition-penalty {}\nseed {}\n"
      "tokens {}\n",
      think_name(settings_.think), sampling.temperature, sampling.top_k, sampling.top_p,
      sampling.min_p, sampling.repetition_penalty, sampling.seed,
      tokens > 0 ? std::to_string(tokens) : "0 (to the end of the context)"));
}

void ChatSession::show_stats() const {
  const auto speed = [](int64_t tokens, double seconds) {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
  };
  print_now(
      fmt::format("model {}\ncontext {} of {} tokens\nreplies {}\nread {} tokens, {:.1f} tok/s\n"
                  "written {} tokens, {:.1f} tok/s\nloaded in {:.1f} s\n",
                  printable(model_.resolved.path, 400), conversation_.cached_tokens(),
                  engine_.options().context_tokens, totals_.replies, totals_.read_tokens,
                  speed(totals_.read_tokens, totals_.read_s), totals_.written_tokens,
                  speed(totals_.written_tokens, totals_.written_s), model_.load_s));
}

}  // namespace pith::cli
