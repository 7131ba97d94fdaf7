// Chat templates, written natively. A model file names its template by carrying
// Jinja source; we recognise which of ours it is and never run it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pith {

enum class Role { system, user, assistant };

struct ChatMessage {
  Role role = Role::user;
  std::string content;
};

// One family of templates. Plain value, cheap to copy.
enum class ChatTemplate {
  chatml_qwen,       // Qwen2.5: ChatML with Qwen's default system prompt
  chatml_qwen2,      // Qwen2: ChatML with its shorter default system prompt
  chatml_qwen_math,  // Qwen2.5-Math: ChatML with its step-by-step default system prompt
  chatml_qwen3,      // Qwen3: ChatML, <think> handling, no default system prompt
  chatml_smollm,     // SmolLM2: ChatML with SmolLM's default system prompt
  chatml,            // plain ChatML
  llama3,            // Llama 3.1 to 3.3: header ids, with the dates before the system prompt
  llama3_0,          // Llama 3: header ids, nothing added
  deepseek_r1,       // DeepSeek-R1 distils
};

// A piece of a rendered prompt. Text of users is never parsed for special
// tokens, so that a user cannot forge a turn.
struct PromptPiece {
  std::string text;
  bool special = false;  // one special token of ours; all else is in plain pieces
};

// Recognises the family from the Jinja source in `tokenizer.chat_template`.
// Errors: unsupported, telling the user of `--chat-template NAME` and the names.
Result<ChatTemplate> recognise_chat_template(std::string_view jinja_source);

// By the name that users write: "qwen2.5", "qwen2", "qwen2.5-math", "qwen3", "smollm2",
// "chatml", "llama3", "llama3.0", "deepseek-r1". Errors: usage, with the names.
Result<ChatTemplate> chat_template_by_name(std::string_view name);
std::string_view chat_template_name(ChatTemplate chat_template);

struct RenderedPrompt {
  std::vector<PromptPiece> pieces;  // none empty, no two plain ones in a row
  // Index in `pieces` at which the generation prompt (the assistant header)
  // starts: the boundary at which a reasoning adapter switches on.
  size_t boundary_piece = 0;
};

// The day that Llama 3's own template names when it is told none.
inline constexpr std::string_view kTemplateDate = "26 Jul 2024";

// The conversation, followed by the header of the assistant's turn.
// `date` (as in kTemplateDate) goes where Llama 3 wants one. Without `thinking`, a
// template that knows it has the turn begin with an empty thought (Qwen3,
// DeepSeek-R1); with it, earlier turns are shown as the family wants them.
// Errors: usage (no messages, a system message that is not the first).
Result<RenderedPrompt> render_chat(ChatTemplate chat_template,
                                   std::span<const ChatMessage> messages,
                                   std::string_view date = kTemplateDate, bool thinking = true);

// The pieces joined, for showing; tokens come from encode_prompt in text/prompt.h.
std::string prompt_text(const RenderedPrompt& prompt);

// What closes the model's thinking when a budget ends it ("</think>" where the
// family has one, otherwise empty).
std::string_view thinking_end(ChatTemplate chat_template);

}  // namespace pith
