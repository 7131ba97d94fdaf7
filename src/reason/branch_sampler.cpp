#include "reason/branch_sampler.h"

#include <limits>

namespace pith {

std::string_view BranchSampler::advance(Branch& branch, std::span<const float> logits,
                                        const SamplingOptions& sampling) {
  if (branch.needs_text()) logits = without_silent_tokens(logits);
  const auto position = static_cast<uint32_t>(branch.sampled_tokens());
  return branch.accept(
      sampler_.sample(logits, sampling, branch.stream(), position, branch.history()));
}

// A copy in which tokens that write nothing cannot be chosen.
std::span<const float> BranchSampler::without_silent_tokens(std::span<const float> logits) {
  if (silent_tokens_.empty()) list_silent_tokens();
  text_logits_.assign(logits.begin(), logits.end());
  for (const TokenId token : silent_tokens_) {
    if (static_cast<size_t>(token) < text_logits_.size()) {
      text_logits_[static_cast<size_t>(token)] = std::numeric_limits<float>::lowest();
    }
  }
  return text_logits_;
}

void BranchSampler::list_silent_tokens() {
  for (TokenId id = 0; id < static_cast<TokenId>(tokenizer_->size()); ++id) {
    const bool silent =
        tokenizer_->kind(id) == TokenKind::control || tokenizer_->ends_generation(id);
    if (silent) silent_tokens_.push_back(id);
  }
}

}  // namespace pith
