// The loss of tokens that a policy drew, by what their completions were worth.
#pragma once

#include <cstdint>

#include "train/policy_options.h"
#include "train/torch.h"

namespace pith::train {

// Of T tokens; log-probabilities are natural logarithms. No gradient in any of them.
struct PolicyTokens {
  at::Tensor old;         // [T] log-probabilities under the policy that drew them
  at::Tensor reference;   // [T] under the one to stay close to; undefined where kl is 0
  at::Tensor advantages;  // [T] of their completions
  at::Tensor weights;     // [T] in the mean
};

// Sums over tokens.
struct PolicyFigures {
  int64_t tokens = 0;
  int64_t clipped = 0;  // that have no say, as their ratio has moved far enough
  double kl = 0;        // estimates of KL(policy || reference)
};

// The sum over tokens of -weight * (min(r A, clip(r) A) - kl * k3): r = exp(log_p - old) as in
// PPO (arXiv 1707.06347), k3 = exp(d) - d - 1 with d = reference - log_p, which estimates the
// KL divergence without bias and is never negative (arXiv 2402.03300). Adds to `figures`.
//   log_probabilities: [T], with a gradient.
at::Tensor policy_loss(const at::Tensor& log_probabilities, const PolicyTokens& tokens,
                       const PolicyLossOptions& options, PolicyFigures& figures);

}  // namespace pith::train
