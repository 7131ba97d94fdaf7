// The likeliest tokens at a place, and how likely they are.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "serve/service.h"
#include "text/tokenizer.h"

namespace pith {

// The `count` most likely tokens by these logits [V], best first, of equals the lower id first,
// with natural logarithms of their probabilities. Fewer where the vocabulary has fewer.
std::vector<TokenLogProbability::Alternative> likeliest_tokens(std::span<const float> logits,
                                                               int32_t count,
                                                               const Tokenizer& tokenizer);

}  // namespace pith
