// How many blocks of KV cache things take.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/kernels.h"

namespace pith {

inline int64_t kv_blocks(int64_t tokens) { return (tokens + kKvBlock - 1) / kKvBlock; }

// Tokens that fill whole blocks.
inline int64_t whole_kv_blocks(int64_t tokens) { return kv_blocks(tokens) * kKvBlock; }

// Of a branch that adds so many tokens to a prompt of `prompt_tokens`, as far as the context
// goes. It writes into a copy of the prompt's last block.
inline int64_t blocks_of_branch(int64_t prompt_tokens, int64_t branch_tokens,
                                int64_t context_tokens) {
  const int64_t length = std::min(prompt_tokens + branch_tokens, context_tokens);
  return std::max<int64_t>(kv_blocks(length) - kv_blocks(prompt_tokens), 0) + 1;
}

}  // namespace pith
