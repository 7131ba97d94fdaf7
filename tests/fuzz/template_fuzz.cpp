// Any Jinja source is recognised or refused; any conversation is rendered or refused, its
// texts whole and never in a special piece.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat_template.h"

namespace {

using namespace pith;

void check(bool condition) {
  if (!condition) std::abort();
}

// Messages are separated by NUL; the first byte of each is its role.
std::vector<ChatMessage> read_messages(std::string_view text) {
  std::vector<ChatMessage> messages;
  while (!text.empty() && messages.size() < 64) {
    const size_t end = text.find('\0');
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (part.empty()) continue;
    const auto role = static_cast<Role>(static_cast<uint8_t>(part[0]) % 3);
    messages.push_back({role, std::string(part.substr(1))});
  }
  return messages;
}

void check_prompt(const RenderedPrompt& prompt) {
  check(prompt.boundary_piece < prompt.pieces.size());
  check(prompt.pieces[prompt.boundary_piece].special);
  for (size_t i = 0; i < prompt.pieces.size(); ++i) {
    const PromptPiece& piece = prompt.pieces[i];
    check(!piece.text.empty());
    check(piece.special || i == 0 || prompt.pieces[i - 1].special);
    // The markup is one token of a known few; all are short and in angle brackets.
    if (piece.special) {
      check(piece.text.size() <= 32 && piece.text.front() == '<' && piece.text.back() == '>');
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto recognised = recognise_chat_template(text);
  if (!recognised) check(recognised.error().code == ErrorCode::unsupported);
  const std::vector<ChatMessage> messages = read_messages(text);
  const bool thinking = size % 2 == 0;
  for (int i = 0; i <= static_cast<int>(ChatTemplate::deepseek_r1); ++i) {
    const auto chat_template = static_cast<ChatTemplate>(i);
    check(chat_template_by_name(chat_template_name(chat_template)) == chat_template);
    const auto prompt = render_chat(chat_template, messages, "26 Jul 2024", thinking);
    if (prompt) check_prompt(*prompt);
    if (!prompt) check(prompt.error().code == ErrorCode::usage);
  }
  return 0;
}
