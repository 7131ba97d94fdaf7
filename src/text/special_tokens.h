// Finds special tokens that are written out in a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenizer.h"

namespace pith {

// A set of words, each with its token, as a trie. Immutable once filled.
class SpecialTokens {
 public:
  // Longer words would let a hostile model file make the search quadratic.
  static constexpr size_t kMaxBytes = 512;

  SpecialTokens() : nodes_(1) {}

  // False when the word is there already. `word` has 1 to kMaxBytes bytes.
  bool add(std::string_view word, TokenId id);

  struct Match {
    size_t begin = 0;
    size_t end = 0;
    TokenId id = -1;  // -1: no match; begin and end are then the text's end
  };
  // The first match from `from` on, the longest there (as in `tokenizers`).
  Match find(std::string_view text, size_t from) const;

  TokenId exact(std::string_view word) const;  // -1: not in the set

 private:
  struct Node {
    std::vector<std::pair<char, uint32_t>> children;  // few: searched one by one
    TokenId id = -1;
  };
  uint32_t child(uint32_t node, char byte) const;  // 0: none
  Match longest_at(std::string_view text, size_t begin) const;

  std::vector<Node> nodes_;  // nodes_[0] is the root
};

}  // namespace pith
