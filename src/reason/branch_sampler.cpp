#include "reason/branch_sampler.h"

#include <limits>

namespace pith {

std::string_view BranchSampler::advance(Branch& branch, std::span<const float> logits,
                                        const SamplingOptions& sampling) {
  LogitBias bias = branch.landing_bias();
  if (branch.needs_text()) {
    if (silent_tokens_.empty()) list_silent_tokens();
    bias = {silent_tokens_, -std::numeric_limits<float>::infinity()};
  }
  const auto position = static_cast<uint32_t>(branch.sampled_tokens());
  return branch.accept(
      sampler_.sample(logits, sampling, branch.stream(), position, branch.history(), bias));
}

void BranchSampler::list_silent_tokens() {
  for (TokenId id = 0; id < static_cast<TokenId>(tokenizer_->size()); ++id) {
    const bool silent =
        tokenizer_->kind(id) == TokenKind::control || tokenizer_->ends_generation(id);
    if (silent) silent_tokens_.push_back(id);
  }
}

}  // namespace pith
