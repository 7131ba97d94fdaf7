// Byte-pair encoding: merges neighbours, best pair first, until none is left.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/token_table.h"
#include "text/tokenizer.h"

namespace pith {

// The merges of a vocabulary: which pairs of tokens become one, and how early.
// Immutable once built.
class MergeTable {
 public:
  struct Merge {
    TokenId left = -1;
    TokenId right = -1;
    TokenId merged = -1;
  };

  // `merges` are "left right" in GPT-2's alphabet, best first. Errors: corrupt (a
  // merge that is not two tokens, or whose outcome is none).
  static Result<MergeTable> create(std::span<const std::string> merges, const TokenTable& tokens);

  static constexpr uint32_t kNoMerge = UINT32_MAX;
  // The rank of the merge of two tokens: lower ones come first. kNoMerge: they do not merge.
  uint32_t find(TokenId left, TokenId right) const { return slots_[slot_of(left, right)]; }
  // What a merge makes of its two tokens.
  TokenId merged(uint32_t rank) const { return merges_[rank].merged; }

 private:
  // An open hash table of ranks, small enough to be filled in a cache: a slot holds a
  // rank or kNoMerge.
  size_t slot_of(TokenId left, TokenId right) const;  // its slot, or the free one to use

  std::vector<Merge> merges_;    // by rank
  std::vector<uint32_t> slots_;  // a power of two, at most half full
};

// Working memory of `encode_bpe`, kept from one pre-token to the next.
struct BpeScratch {
  struct Symbol {
    TokenId id = -1;  // -1: merged into the one before
    size_t previous = 0;
    size_t next = 0;
  };
  struct Candidate {
    uint32_t rank = 0;
    size_t position = 0;  // of the left symbol
    TokenId left = -1;    // the ids that made the candidate: it is out of date
    TokenId right = -1;   // when one of them has changed
    TokenId merged = -1;
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
};

// Appends the tokens of one pre-token, given as its bytes' tokens. Time O(n log n).
void encode_bpe(const MergeTable& merges, std::span<const TokenId> bytes, BpeScratch& scratch,
                std::vector<TokenId>& out);

}  // namespace pith
