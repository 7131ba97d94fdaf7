// The text side of a model file: its tokenizer and its chat template.
#pragma once

#include "base/error.h"
#include "io/gguf.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace pith {

// Errors: unsupported (a tokenizer model other than byte-level BPE, an unknown
// pre-tokeniser), corrupt (lists that are missing or of different lengths).
Result<Tokenizer> read_tokenizer(const GgufFile& file);

// The template the file carries. Errors: unsupported (none, or not one of ours).
Result<ChatTemplate> read_chat_template(const GgufFile& file);

}  // namespace pith
