// The tokens of a vocabulary as bytes, by id and back.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/tokenizer.h"

namespace pith {

// Whether text must spell such a token out in full to get it: it is not the
// outcome of merging byte pairs.
bool is_special(TokenKind kind);

// Immutable once built.
class TokenTable {
 public:
  // `kinds` is as long as `tokens`. Errors: corrupt (two tokens written alike).
  static Result<TokenTable> create(std::span<const std::string> tokens,
                                   std::span<const TokenKind> kinds);

  size_t size() const { return offsets_.size() - 1; }
  // The bytes the token stands for; `id` is in range (not checked). Special tokens
  // stand for what is written, others for the bytes of GPT-2's alphabet.
  std::string_view bytes(TokenId id) const;
  // The token that byte pairs may merge into with these bytes; -1 when there is none.
  TokenId find_mergeable(std::string_view bytes) const;
  // The same, without a search when it is `guess`, which is any number.
  TokenId find_mergeable(std::string_view bytes, TokenId guess) const;

 private:
  // An open hash table of ids: a slot holds -1 or an id.
  bool insert(TokenId id);
  size_t slot_of(std::string_view bytes) const;  // its slot, or the free one to use

  std::string blob_;             // all tokens, one after the other
  std::vector<size_t> offsets_;  // [size() + 1]
  std::vector<bool> mergeable_;  // by id: whether it has a slot
  std::vector<TokenId> slots_;   // a power of two, at most half full
};

}  // namespace pith
