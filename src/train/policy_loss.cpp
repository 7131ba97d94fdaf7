#include "train/policy_loss.h"

namespace pith::train {

at::Tensor policy_loss(const at::Tensor& log_probabilities, const PolicyTokens& tokens,
                       const PolicyLossOptions& options, PolicyFigures& figures) {
  const at::Tensor ratios = (log_probabilities - tokens.old).exp();
  const at::Tensor free = ratios * tokens.advantages;
  const at::Tensor clipped =
      ratios.clamp(1 - options.clip_low, 1 + options.clip_high) * tokens.advantages;
  at::Tensor gain = at::minimum(free, clipped);
  figures.tokens += log_probabilities.numel();
  figures.clipped += (clipped < free).sum().item<int64_t>();
  if (options.kl > 0) {
    const at::Tensor distance = tokens.reference - log_probabilities;
    const at::Tensor k3 = distance.exp() - distance - 1;
    figures.kl += k3.sum(at::kDouble).item<double>();
    gain = gain - options.kl * k3;
  }
  return -(gain * tokens.weights).sum();
}

}  // namespace pith::train
