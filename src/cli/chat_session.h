// The state of `pith chat` and what its commands do to it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/style.h"
#include "engine/engine.h"
#include "reason/conversation.h"
#include "runtime/open_model.h"

namespace pith::cli {

enum class Think {
  automatic,  // as the model's family does by itself; a reasoning pack's switcher will decide
  on,
  off,
};

struct ChatSettings {
  std::string system;
  Think think = Think::automatic;
  ReplyOptions reply;
  bool quiet = false;  // replies alone: no notes, no footers
};

// Borrows the model and the engine. Replies go to standard output; notes, and what
// goes wrong, to standard error, so that a pipe gets replies alone.
class ChatSession {
 public:
  ChatSession(const OpenModel& model, ChatTemplate chat_template, Engine& engine,
              ChatSettings settings);

  // Sends the message and prints the reply as it comes. Ctrl-C ends the reply, not
  // the session.
  void say(std::string message);

  // Whether a message or a command has failed.
  bool failed() const { return failed_; }

  // Carries out a line that starts with '/'. False when the user wants to leave.
  bool command(std::string_view line);

 private:
  struct Totals {
    int replies = 0;
    int64_t read_tokens = 0;
    int64_t written_tokens = 0;
    double read_s = 0;
    double written_s = 0;
  };

  bool reply();
  void finish_reply(const Reply& reply);
  void footer(const Reply& reply) const;
  std::vector<ChatMessage> with_system() const;
  std::string system_text() const;

  void clear();
  void regenerate();
  void save(const std::string& path);
  void load(const std::string& path);
  void set_system(std::string_view text);
  void set(std::string_view arguments);
  Status set_think(std::string_view value);
  void show_settings() const;
  void show_stats() const;

  bool thinks_by_itself() const;
  bool thinks() const;
  void note(std::string_view text) const;  // in grey
  void complain(std::string_view text);

  const OpenModel& model_;
  ChatTemplate chat_template_;
  Engine& engine_;
  Conversation conversation_;
  ChatSettings settings_;
  Style out_;
  Style err_;
  std::vector<ChatMessage> history_;  // without the system message
  Totals totals_;
  bool failed_ = false;
};

}  // namespace pith::cli
