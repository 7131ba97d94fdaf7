// From a rendered conversation to the tokens that a model reads.
#pragma once

#include <cstddef>
#include <vector>

#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace pith {

struct EncodedPrompt {
  std::vector<TokenId> ids;
  // The first token of the assistant's header: where a reasoning adapter switches on.
  size_t boundary = 0;
};

// Special tokens are parsed in the template's own pieces alone. Nothing is added:
// templates that want a BOS token write it themselves.
EncodedPrompt encode_prompt(const Tokenizer& tokenizer, const RenderedPrompt& prompt);

// The tokens with which the assistant's turn begins. Errors: those of render_chat().
Result<std::vector<TokenId>> assistant_header(const Tokenizer& tokenizer,
                                              ChatTemplate chat_template);

// The tokens before the text of the system message, with which all prompts begin that have one.
// Errors: those of render_chat().
Result<std::vector<TokenId>> system_header(const Tokenizer& tokenizer, ChatTemplate chat_template);

}  // namespace pith
