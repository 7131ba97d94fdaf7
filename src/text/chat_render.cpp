// The conversations of each family, as its published template renders them.
#include <algorithm>

#include "text/chat_defaults.h"
#include "text/chat_template.h"
#include "text/utf8.h"

namespace pith {
namespace {

using Messages = std::span<const ChatMessage>;

constexpr std::string_view kThinkStart = "<think>";
constexpr std::string_view kThinkEnd = "</think>";

std::string_view role_name(Role role) {
  switch (role) {
    case Role::system:
      return "system";
    case Role::user:
      return "user";
    case Role::assistant:
      break;
  }
  return "assistant";
}

// Builds a prompt; what is plain is joined, so that it is tokenised as one text.
class Writer {
 public:
  void special(std::string_view token) { prompt_.pieces.push_back({std::string(token), true}); }

  void plain(std::string_view text) {
    if (text.empty()) return;
    auto& pieces = prompt_.pieces;
    if (pieces.empty() || pieces.back().special) pieces.push_back({});
    pieces.back().text += text;
  }

  // The assistant's header follows. Templates begin it with a special token.
  void mark_boundary() { prompt_.boundary_piece = prompt_.pieces.size(); }

  RenderedPrompt take() { return std::move(prompt_); }

 private:
  RenderedPrompt prompt_;
};

// --- Python's string methods, as the templates use them ---

std::string_view before_first(std::string_view text, std::string_view separator) {
  return text.substr(0, text.find(separator));
}

std::string_view after_last(std::string_view text, std::string_view separator) {
  const size_t at = text.rfind(separator);
  return at == text.npos ? text : text.substr(at + separator.size());
}

std::string_view strip_left(std::string_view text, char c) {
  return text.substr(std::min(text.find_first_not_of(c), text.size()));
}

std::string_view strip_right(std::string_view text, char c) {
  return text.substr(0, text.find_last_not_of(c) + 1);
}

// str.isspace: white space, and the four separators U+001C to U+001F.
bool is_python_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

std::string_view strip(std::string_view text) {
  size_t begin = text.size();
  size_t end = text.size();
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    if (!is_python_space(c.code_point)) {
      begin = std::min(begin, at);
      end = at + c.length;
    }
    at += c.length;
  }
  return text.substr(begin, end - begin);
}

// --- ChatML ---

void chatml_turn(Writer& out, Role role, std::string_view content) {
  out.special("<|im_start|>");
  out.plain(role_name(role));
  out.plain("\n");
  out.plain(content);
  out.special("<|im_end|>");
  out.plain("\n");
}

void chatml_generation_prompt(Writer& out) {
  out.mark_boundary();
  out.special("<|im_start|>");
  out.plain("assistant\n");
}

std::string_view default_system_prompt(ChatTemplate chat_template) {
  for (const ChatDefault& entry : kChatDefaults) {
    if (entry.chat_template == chat_template) return entry.system_prompt;
  }
  return "";
}

void render_chatml(Writer& out, Messages messages, std::string_view default_system) {
  if (messages.front().role != Role::system && !default_system.empty()) {
    chatml_turn(out, Role::system, default_system);
  }
  for (const ChatMessage& message : messages) chatml_turn(out, message.role, message.content);
  chatml_generation_prompt(out);
}

// --- Qwen3 ---

// The user's last own message; results of tools are sent as messages of users too.
size_t last_query(Messages messages) {
  for (size_t i = messages.size(); i-- > 0;) {
    const std::string& content = messages[i].content;
    const bool tool_response =
        content.starts_with("<tool_response>") && content.ends_with("</tool_response>");
    if (messages[i].role == Role::user && !tool_response) return i;
  }
  return messages.size() - 1;
}

// A turn of the assistant: the thoughts of those before the last question are left
// out, the others shown in the form the model writes them in.
void qwen3_assistant_turn(Writer& out, std::string_view content, bool after_last_query, bool last) {
  std::string_view reasoning;
  if (content.find(kThinkEnd) != content.npos) {
    reasoning = strip_right(before_first(content, kThinkEnd), '\n');
    reasoning = strip_left(after_last(reasoning, kThinkStart), '\n');
    content = strip_left(after_last(content, kThinkEnd), '\n');
  }
  if (!after_last_query || (!last && reasoning.empty())) {
    chatml_turn(out, Role::assistant, content);
    return;
  }
  out.special("<|im_start|>");
  out.plain("assistant\n");
  out.special(kThinkStart);
  out.plain("\n");
  out.plain(strip_right(reasoning, '\n'));
  out.plain("\n");
  out.special(kThinkEnd);
  out.plain("\n\n");
  out.plain(strip_left(content, '\n'));
  out.special("<|im_end|>");
  out.plain("\n");
}

void render_qwen3(Writer& out, Messages messages, bool thinking) {
  const size_t query = last_query(messages);
  for (size_t i = 0; i < messages.size(); ++i) {
    const auto& [role, content] = messages[i];
    if (role == Role::assistant) {
      qwen3_assistant_turn(out, content, i > query, i + 1 == messages.size());
    } else {
      chatml_turn(out, role, content);
    }
  }
  chatml_generation_prompt(out);
  if (thinking) return;
  out.special(kThinkStart);
  out.plain("\n\n");
  out.special(kThinkEnd);
  out.plain("\n\n");
}

// --- Llama 3 ---

void llama3_header(Writer& out, Role role) {
  out.special("<|start_header_id|>");
  out.plain(role_name(role));
  out.special("<|end_header_id|>");
  out.plain("\n\n");
}

void render_llama3(Writer& out, Messages messages, bool with_dates, std::string_view date) {
  out.special("<|begin_of_text|>");
  if (with_dates) {
    llama3_header(out, Role::system);
    out.plain("Cutting Knowledge Date: December 2023\nToday Date: ");
    out.plain(date);
    out.plain("\n\n");
    if (messages.front().role == Role::system) {
      out.plain(strip(messages.front().content));
      messages = messages.subspan(1);
    }
    out.special("<|eot_id|>");
  }
  for (const ChatMessage& message : messages) {
    llama3_header(out, message.role);
    out.plain(strip(message.content));
    out.special("<|eot_id|>");
  }
  out.mark_boundary();
  llama3_header(out, Role::assistant);
}

// --- DeepSeek-R1 ---

void render_deepseek_r1(Writer& out, Messages messages, bool thinking) {
  out.special("<｜begin▁of▁sentence｜>");
  for (const auto& [role, content] : messages) {
    switch (role) {
      case Role::system:
        out.plain(content);
        break;
      case Role::user:
        out.special("<｜User｜>");
        out.plain(content);
        break;
      case Role::assistant:
        out.special("<｜Assistant｜>");
        out.plain(after_last(content, kThinkEnd));
        out.special("<｜end▁of▁sentence｜>");
        break;
    }
  }
  out.mark_boundary();
  out.special("<｜Assistant｜>");
  out.special(kThinkStart);
  out.plain("\n");
  if (thinking) return;
  out.plain("\n");
  out.special(kThinkEnd);
  out.plain("\n\n");
}

Status check_messages(Messages messages) {
  if (messages.empty()) return fail(ErrorCode::usage, "the conversation has no messages");
  for (size_t i = 1; i < messages.size(); ++i) {
    if (messages[i].role == Role::system) {
      return fail(ErrorCode::usage, "message {} is a system message, which must be the first",
                  i + 1);
    }
  }
  return {};
}

}  // namespace

Result<RenderedPrompt> render_chat(ChatTemplate chat_template,
                                   std::span<const ChatMessage> messages, std::string_view date,
                                   bool thinking) {
  PITH_TRY_VOID(check_messages(messages));
  Writer out;
  switch (chat_template) {
    case ChatTemplate::chatml_qwen:
    case ChatTemplate::chatml_qwen2:
    case ChatTemplate::chatml_qwen_math:
    case ChatTemplate::chatml_smollm:
    case ChatTemplate::chatml:
      render_chatml(out, messages, default_system_prompt(chat_template));
      break;
    case ChatTemplate::chatml_qwen3:
      render_qwen3(out, messages, thinking);
      break;
    case ChatTemplate::llama3:
    case ChatTemplate::llama3_0:
      render_llama3(out, messages, chat_template == ChatTemplate::llama3, date);
      break;
    case ChatTemplate::deepseek_r1:
      render_deepseek_r1(out, messages, thinking);
      break;
  }
  return out.take();
}

std::string prompt_text(const RenderedPrompt& prompt) {
  std::string text;
  for (const PromptPiece& piece : prompt.pieces) text += piece.text;
  return text;
}

std::string_view thinking_end(ChatTemplate chat_template) {
  const bool thinks =
      chat_template == ChatTemplate::chatml_qwen3 || chat_template == ChatTemplate::deepseek_r1;
  return thinks ? kThinkEnd : std::string_view();
}

}  // namespace pith
