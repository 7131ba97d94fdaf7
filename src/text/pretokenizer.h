// Pre-tokenisers: where a text is cut before byte pairs are merged. Scanners by
// hand that cut exactly where the families' regular expressions do:
//
//   gpt2    's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//   smollm  every \p{N} alone, and what is between them as gpt2
//   qwen2   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|
//           ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//   llama3  as qwen2, but \p{N}{1,3}
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pith {

enum class PreTokenizer : uint8_t { gpt2, smollm, qwen2, llama3 };

// By GGUF's `tokenizer.ggml.pre`; nothing for a name that we do not know.
std::optional<PreTokenizer> pretokenizer_by_name(std::string_view name);

// The end of the pre-token that starts at `begin` < text.size(); more than `begin`.
// Any bytes: each maximal invalid part counts as one character of class `other`,
// as the U+FFFD would that other tools put in its place. Cutting a whole text is
// linear in its length.
size_t pretoken_end(PreTokenizer kind, std::string_view text, size_t begin);

}  // namespace pith
