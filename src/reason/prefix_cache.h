// Keys and values of prompts and conversations that have been read, kept for those that begin
// alike: a radix tree over blocks of the KV cache.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "reason/adapter_use.h"
#include "reason/decode.h"

namespace pith {

// All that was read is kept, to the last token; what is found, too, ends at any token. Room is
// counted in blocks. What a block holds depends on its tokens, on all before them, and on
// which adapter wrote each: all of it is compared, so what is found is what reading would
// write, to the bit. The branches of the tree share the blocks of their common beginnings with
// each other, and with the sequences that were forked from them; a block in which they part,
// or that one of them has not filled, is each one's own. Those that were read side by side have
// blocks of their own for what they have in common: it is then held twice, and counts once,
// until one of them goes.
//
// Borrows the engine, and holds sequences of it. Not thread safe: the engine's driver.
class PrefixCache {
 public:
  // Holds `most_tokens` at most; whatever was longest of no use goes first, from its end.
  PrefixCache(Engine& engine, int64_t most_tokens);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // A new sequence with the longest beginning of `tokens` that is here, but for the last token
  // (which must be read, to have logits); empty of tokens where there is none.
  OwnedSequence find(std::span<const TokenId> tokens, const AdapterUse& use);

  // Keeps what `sequence` has read, namely `tokens`, as far as room goes.
  void insert(std::span<const TokenId> tokens, const OwnedSequence& sequence);

  // Lets go of the block that was longest of no use, of those at an end. False: it is empty.
  // The KV cache has a block more then, unless a sequence shares it.
  bool evict();

  int64_t tokens() const { return tokens_; }

 private:
  // A run of blocks in which the tree does not part. Only a leaf's last one may be unfinished:
  // whatever is longer replaces it.
  struct Node {
    std::vector<TokenId> tokens;      // one at least
    std::vector<AdapterId> adapters;  // by token
    OwnedSequence sequence;           // from the root to the end of `tokens`
    uint64_t used = 0;                // when it was last of use
    std::vector<std::unique_ptr<Node>> children;
  };
  struct Match {
    Node* node;
    size_t tokens;  // that are alike, up to its end or into its first block
  };

  Match follow(std::span<const TokenId> tokens, std::span<const AdapterId> adapters);
  Match most_alike(const Match& match, std::span<const TokenId> tokens,
                   std::span<const AdapterId> adapters) const;
  void use_first_block(Node& node);
  void remove_replaced(Node& parent, const Node& by);
  void split(Node& node, size_t tokens);
  OwnedSequence beginning(const OwnedSequence& sequence, size_t tokens);

  Engine& engine_;
  int64_t most_tokens_;
  int64_t tokens_ = 0;
  uint64_t clock_ = 0;
  Node root_;  // of no tokens
};

}  // namespace pith
