#include "text/prompt.h"

#include <algorithm>
#include <array>
#include <string>

namespace pith {

EncodedPrompt encode_prompt(const Tokenizer& tokenizer, const RenderedPrompt& prompt) {
  EncodedPrompt encoded;
  for (size_t i = 0; i < prompt.pieces.size(); ++i) {
    if (i == prompt.boundary_piece) encoded.boundary = encoded.ids.size();
    const PromptPiece& piece = prompt.pieces[i];
    const std::vector<TokenId> ids = tokenizer.encode(piece.text, piece.special);
    encoded.ids.insert(encoded.ids.end(), ids.begin(), ids.end());
  }
  return encoded;
}

Result<std::vector<TokenId>> assistant_header(const Tokenizer& tokenizer,
                                              ChatTemplate chat_template) {
  const ChatMessage question{Role::user, "?"};
  PITH_TRY(const RenderedPrompt rendered, render_chat(chat_template, {&question, 1}));
  const EncodedPrompt prompt = encode_prompt(tokenizer, rendered);
  return std::vector<TokenId>(prompt.ids.begin() + static_cast<std::ptrdiff_t>(prompt.boundary),
                              prompt.ids.end());
}

Result<std::vector<TokenId>> system_header(const Tokenizer& tokenizer, ChatTemplate chat_template) {
  const auto begun = [&](const std::string& text) -> Result<std::vector<TokenId>> {
    const std::array messages = {ChatMessage{Role::system, text}, ChatMessage{Role::user, "?"}};
    PITH_TRY(const RenderedPrompt rendered, render_chat(chat_template, messages));
    return encode_prompt(tokenizer, rendered).ids;
  };
  PITH_TRY(std::vector<TokenId> one, begun("1"));
  PITH_TRY(const std::vector<TokenId> other, begun("2"));
  one.erase(std::mismatch(one.begin(), one.end(), other.begin(), other.end()).first, one.end());
  return one;
}

}  // namespace pith
