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

// In units of temperature below the best: where candidates are first looked for, and how far
// down at most. All of a 152k vocabulary together would have a probability below 2e-8 there.
constexpr float kFirstBand = 8.0f;
constexpr float kLastBand = 30.0f;
constexpr float kLeastTemperature = 1e-6f;  // below it the best is drawn anyhow

// Logits that are looked at together: they stay in the first-level cache meanwhile.
constexpr size_t kBlock = 1024;

const Kernels& kernels() {
  static const Kernels& table = kernels_for(chosen_isa().value_or(Isa::scalar));
  return table;
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

// One pass over the logits, block by block.
Sampler::Survey Sampler::survey(std::span<const float> logits, float temperature) {
  const Kernels& table = kernels();
  const size_t blocks = (logits.size() + kBlock - 1) / kBlock;
  block_max_.resize(blocks);
  block_log_.resize(blocks);
  block_weight_.assign(blocks, -std::numeric_limits<float>::infinity());
  scaled_.resize(kBlock);
  for (size_t b = 0; b < blocks; ++b) {
    const auto block = logits.subspan(b * kBlock, std::min(kBlock, logits.size() - b * kBlock));
    const float max = block_max_[b] = table.max(block.data(), block.size());
    block_log_[b] = max;
    if (std::isinf(max)) continue;
    block_log_[b] = table.log_sum_exp(block.data(), block.size());
    if (temperature <= 0) continue;
    for (size_t i = 0; i < block.size(); ++i) scaled_[i] = (block[i] - max) * (1 / temperature);
    block_weight_[b] = table.log_sum_exp(scaled_.data(), block.size());
  }
  Survey result;
  result.best = table.max(block_max_.data(), blocks);
  result.log_total = table.log_sum_exp(block_log_.data(), blocks);
  if (temperature > 0) {
    for (size_t b = 0; b < blocks; ++b) {
      block_weight_[b] += (block_max_[b] - result.best) / temperature;
    }
    result.weight = std::exp(double{table.log_sum_exp(block_weight_.data(), blocks)});
  }
  return result;
}

TokenId Sampler::first_best(std::span<const float> logits, float best) const {
  for (size_t b = 0; b < block_max_.size(); ++b) {
    if (block_max_[b] != best) continue;
    const auto found =
        std::find(logits.begin() + static_cast<ptrdiff_t>(b * kBlock), logits.end(), best);
    if (found != logits.end()) return static_cast<TokenId>(found - logits.begin());
  }
  return 0;  // logits that are not numbers
}

// The tokens whose logit is at least `lowest`, best first (lower id first on a tie); of these
// the top_k best.
void Sampler::collect(std::span<const float> logits, float lowest, size_t top_k) {
  candidates_.clear();
  for (size_t b = 0; b < block_max_.size(); ++b) {
    if (!(block_max_[b] >= lowest)) continue;
    const size_t end = std::min((b + 1) * kBlock, logits.size());
    for (size_t i = b * kBlock; i < end; ++i) {
      if (logits[i] >= lowest) candidates_.push_back({logits[i], static_cast<TokenId>(i)});
    }
  }
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  if (top_k > 0 && top_k < candidates_.size()) {
    std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<ptrdiff_t>(top_k),
                     candidates_.end(), better);
    candidates_.resize(top_k);
  }
  std::sort(candidates_.begin(), candidates_.end(), better);
}

// The token at the share `unit` of the candidates' weight, or of the smallest set of them that
// has the share top_p of `total`. Nothing if that lies beyond candidates that are not all.
std::optional<TokenId> Sampler::pick(double total, bool all, float top_p, float temperature,
                                     double unit) {
  const double best = candidates_.front().logit;
  weights_.clear();
  double sum = 0;
  for (const Candidate& candidate : candidates_) {
    weights_.push_back(std::exp((candidate.logit - best) / temperature));
    sum += weights_.back();
  }
  if (total <= 0) total = sum;
  size_t kept = weights_.size();
  bool cut = false;
  if (top_p < 1.0f) {
    double share = 0;
    for (kept = 0; kept < weights_.size() && !cut;) {
      share += weights_[kept++];
      cut = share >= top_p * total;
    }
    if (!cut && !all) return std::nullopt;
    total = share;
  }
  double target = unit * total;
  for (size_t i = 0; i < kept; ++i) {
    target -= weights_[i];
    if (target < 0) return candidates_[i].token;
  }
  if (!cut && !all) return std::nullopt;
  return candidates_[kept - 1].token;
}

SampledToken Sampler::sample(std::span<const float> logits, const SamplingOptions& options,
                             uint64_t stream, uint32_t position, std::span<const TokenId> history,
                             const LogitBias& bias) {
  const bool greedy = options.temperature <= 0 || options.top_k == 1;
  const float temperature = greedy ? 0 : std::max(options.temperature, kLeastTemperature);
  std::span<const float> scores = bias.tokens.empty() ? logits : add(bias, logits);
  if (options.repetition_penalty != 1.0f) {
    scores = penalise(scores, options.repetition_penalty, history);
  }
  const bool changed = scores.data() != logits.data();
  Survey seen = survey(logits, changed ? 0 : temperature);
  const float log_total = seen.log_total;
  if (changed) seen = survey(scores, temperature);
  const auto result = [&](TokenId token) {
    return SampledToken{token, logits[static_cast<size_t>(token)] - log_total};
  };
  if (greedy) return result(first_best(scores, seen.best));

  float floor = seen.best - kLastBand * temperature;
  if (options.min_p > 0) {
    floor = std::max(floor, seen.best + std::log(options.min_p) * temperature);
  }
  const auto top_k = static_cast<size_t>(options.top_k);
  const bool few = top_k > 0 || options.min_p > 0;  // their weight counts, not that of all
  const double unit = random_unit(options.seed, stream, position);
  for (float band = kFirstBand;; band *= 2) {
    const float lowest = std::max(floor, seen.best - band * temperature);
    collect(scores, lowest, top_k);
    if (candidates_.empty()) return result(first_best(scores, seen.best));
    const bool all = !(lowest > floor) || (top_k > 0 && candidates_.size() == top_k);
    if (few && !all) continue;
    const auto token = pick(few ? 0 : seen.weight, all, options.top_p, temperature, unit);
    if (token) return result(*token);
  }
}

}  // namespace pith
