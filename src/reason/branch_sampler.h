// Draws the next tokens of branches.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "engine/sampler.h"
#include "reason/branch.h"
#include "text/tokenizer.h"

namespace pith {

// Borrows the tokenizer. Owns scratch memory: one per thread.
class BranchSampler {
 public:
  explicit BranchSampler(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}

  // Draws a token from the logits after the branch and hands it to the branch, which
  // is not finished. Returns the text that this completed (see Branch::accept).
  std::string_view advance(Branch& branch, std::span<const float> logits,
                           const SamplingOptions& sampling);

 private:
  void list_silent_tokens();

  const Tokenizer* tokenizer_;
  Sampler sampler_;
  std::vector<TokenId> silent_tokens_;  // that write nothing; listed when first needed
};

}  // namespace pith
