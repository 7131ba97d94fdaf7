// From logits to a token.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "text/tokenizer.h"

namespace pith {

struct SamplingOptions {
  float temperature = 0.7f;         // 0: the most likely token (lowest id on a tie)
  int32_t top_k = 0;                // keep the k most likely; 0: all
  float top_p = 1.0f;               // keep the smallest set with this probability
  float min_p = 0.0f;               // keep tokens at least this share of the best one's probability
  float repetition_penalty = 1.0f;  // on tokens of `history`, as in CTRL (arXiv 1909.05858)
  uint64_t seed = 0;
};

struct SampledToken {
  TokenId token = 0;
  // Natural logarithm of its probability under the model's own distribution,
  // before temperature, penalties and cuts.
  float log_probability = 0;
};

// What is added to the logits of some tokens; -infinity: they are not drawn.
struct LogitBias {
  std::span<const TokenId> tokens;  // borrowed; ids out of range are passed over
  float nats = 0;
};

// Order: bias, repetition penalty, top-k, temperature, top-p, min-p, draw. The draw is a pure
// function of (seed, stream, position): `stream` numbers the sequence (the
// branch), `position` the token in it. Owns scratch memory: one per thread.
class Sampler {
 public:
  SampledToken sample(std::span<const float> logits, const SamplingOptions& options,
                      uint64_t stream, uint32_t position, std::span<const TokenId> history,
                      const LogitBias& bias = {});

 private:
  struct Candidate {
    float logit;
    TokenId token;
  };
  // What one look at all logits tells.
  struct Survey {
    float best = 0;
    float log_total = 0;  // log(sum(exp(logit)))
    double weight = 0;    // sum(exp((logit - best) / temperature))
  };

  std::span<const float> add(const LogitBias& bias, std::span<const float> logits);
  std::span<const float> penalise(std::span<const float> logits, float penalty,
                                  std::span<const TokenId> history);
  Survey survey(std::span<const float> logits, float temperature);
  TokenId first_best(std::span<const float> logits, float best) const;
  void collect(std::span<const float> logits, float lowest, size_t top_k);
  std::optional<TokenId> pick(double total, bool all, float top_p, float temperature, double unit);

  std::vector<float> block_max_;     // of the logits surveyed last, by block
  std::vector<float> block_log_;     // log(sum(exp(logit)))
  std::vector<float> block_weight_;  // log(sum(exp((logit - best) / temperature)))
  std::vector<float> scaled_;        // a block's logits over the temperature
  std::vector<Candidate> candidates_;
  std::vector<float> biased_;     // [V]
  std::vector<float> penalised_;  // [V]
  std::vector<double> weights_;   // of the candidates
};

}  // namespace pith
