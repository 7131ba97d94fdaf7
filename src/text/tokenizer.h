// Byte-level BPE as in GPT-2, with the pre-tokenisers of the families we run.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pith {

using TokenId = int32_t;

// What a token is, by GGUF's `tokenizer.ggml.token_type`.
enum class TokenKind : uint8_t {
  normal = 1,
  unknown = 2,
  control = 3,       // markup of conversations and documents
  user_defined = 4,  // a word of its own, such as <think> in Qwen3
  unused = 5,
  byte = 6,
};

// Everything that defines a tokenizer, as read from a model file. Built from a
// GGUF by `read_tokenizer` in model/vocabulary.h.
struct Vocabulary {
  std::string pre;                  // "qwen2", "gpt-2", "llama-bpe", "smollm"
  std::vector<std::string> tokens;  // by id, in GPT-2's printable byte alphabet
  std::vector<TokenKind> kinds;     // by id; empty means all normal
  std::vector<std::string> merges;  // "left right", best first
  TokenId bos = -1;                 // -1: none
  TokenId eos = -1;
  bool add_bos = false;
};

// Immutable once built: any number of threads may use one at the same time.
class Tokenizer {
 public:
  // Errors: unsupported (an unknown pre-tokeniser, named), corrupt (duplicate or
  // missing tokens, merges that name none, ids out of range).
  static Result<Tokenizer> create(Vocabulary vocabulary);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Tokens of `text`, any bytes (invalid UTF-8 included): decode(encode(x)) == x,
  // but for bytes that the vocabulary has no token for (21 in SmolLM2's, none in
  // Qwen's): they are dropped before merging, as in `tokenizers`.
  // With `parse_special`, control and user-defined tokens written out in the text
  // become their ids; without it (text of users) they are ordinary characters,
  // except user-defined ones, which are always matched (as in llama.cpp). Where
  // several match, the leftmost wins, then the longest.
  // Does not add BOS. Time O(n log n) in the longest pre-token.
  std::vector<TokenId> encode(std::string_view text, bool parse_special) const;

  // The bytes of the tokens, one after the other. Control tokens are empty
  // unless `show_special`. Ids out of range are empty.
  std::string decode(std::span<const TokenId> ids, bool show_special = false) const;

  // The bytes of one token (special tokens: their written form; ids out of range: none).
  std::string_view bytes(TokenId id) const;

  size_t size() const;                              // of the vocabulary
  TokenKind kind(TokenId id) const;                 // of an id out of range: unused
  TokenId find(std::string_view token_text) const;  // by written bytes; -1 when absent
  TokenId bos() const;                              // -1: none
  TokenId eos() const;
  bool add_bos() const;
  // True for every id that ends a turn: eos, <|im_end|>, <|eot_id|>, <|endoftext|>, ...
  bool ends_generation(TokenId id) const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Turns a stream of token bytes into text that is valid UTF-8 at every moment:
// holds back the bytes of an unfinished character. One per stream.
class Utf8Stream {
 public:
  // The text that is complete after these bytes. Bytes that can never become
  // valid are replaced by U+FFFD as in the Unicode standard (maximal subparts).
  std::string push(std::string_view bytes);
  // What is left at the end; unfinished bytes become U+FFFD.
  std::string finish();

 private:
  std::string pending_;  // at most 3 bytes
};

}  // namespace pith
