#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/cpu.h"
#include "base/error.h"
#include "base/rng.h"
#include "kernels/kernels.h"

namespace pith {
namespace {

// Candidates this far below the best, in units of temperature, are left out: all
// of a 152k vocabulary together would have a probability below 2e-8 there.
constexpr float kNegligible = 30.0f;

const Kernels& kernels() {
  static const Kernels& table = kernels_for(chosen_isa().value_or(Isa::scalar));
  return table;
}

TokenId argmax(std::span<const float> logits) {
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

}  // namespace

std::span<const float> Sampler::add(const LogitBias& bias, std::span<const float> logits) {
  biased_.assign(logits.begin(), logits.end());
  for (const TokenId token : bias.tokens) {
    const auto at = static_cast<size_t>(token);
    if (token >= 0 && at < biased_.size()) biased_[at] += bias.nats;
  }
  return biased_;
}

// Copies the logits and lowers those of tokens that stand in the history.
std::span<const float> Sampler::penalise(std::span<const float> logits, float penalty,
                                         std::span<const TokenId> history) {
  penalised_.assign(logits.begin(), logits.end());
  for (const TokenId token : history) {
    const auto at = static_cast<size_t>(token);
    if (token < 0 || at >= logits.size()) continue;
    // From the original value: a token is penalised once, however often it stood.
    penalised_[at] = logits[at] > 0 ? logits[at] / penalty : logits[at] * penalty;
  }
  return penalised_;
}

// The tokens that can be drawn, best first (lower id first on a tie).
void Sampler::collect(std::span<const float> logits, const SamplingOptions& options) {
  const float best = kernels().max(logits.data(), logits.size());
  float lowest = best - kNegligible * options.temperature;
  if (options.min_p > 0) {
    lowest = std::max(lowest, best + std::log(options.min_p) * options.temperature);
  }
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] >= lowest) candidates_.push_back({logits[i], static_cast<TokenId>(i)});
  }
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  const auto k = static_cast<size_t>(options.top_k);
  if (k > 0 && k < candidates_.size()) {
    std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<ptrdiff_t>(k),
                     candidates_.end(), better);
    candidates_.resize(k);
  }
  std::sort(candidates_.begin(), candidates_.end(), better);
}

SampledToken Sampler::sample(std::span<const float> logits, const SamplingOptions& options,
                             uint64_t stream, uint32_t position, std::span<const TokenId> history,
                             const LogitBias& bias) {
  const float log_total = kernels().log_sum_exp(logits.data(), logits.size());
  std::span<const float> scores = bias.tokens.empty() ? logits : add(bias, logits);
  if (options.repetition_penalty != 1.0f) {
    scores = penalise(scores, options.repetition_penalty, history);
  }
  const auto result = [&](TokenId token) {
    return SampledToken{token, logits[static_cast<size_t>(token)] - log_total};
  };
  if (options.temperature <= 0 || options.top_k == 1) return result(argmax(scores));

  collect(scores, options);
  if (candidates_.empty()) return result(argmax(scores));  // logits that are not numbers
  const double best = candidates_.front().logit;
  weights_.clear();
  double total = 0;
  for (const Candidate& candidate : candidates_) {
    weights_.push_back(std::exp((candidate.logit - best) / options.temperature));
    total += weights_.back();
  }
  size_t kept = weights_.size();
  if (options.top_p < 1.0f) {
    double sum = 0;
    for (kept = 0; kept < weights_.size();) {
      sum += weights_[kept++];
      if (sum >= options.top_p * total) break;
    }
    total = sum;
  }
  double target = random_unit(options.seed, stream, position) * total;
  for (size_t i = 0; i < kept; ++i) {
    target -= weights_[i];
    if (target < 0) return result(candidates_[i].token);
  }
  return result(candidates_[kept - 1].token);
}

}  // namespace pith
