#include "text/prompt.h"

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

}  // namespace pith
