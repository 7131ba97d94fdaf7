#include "serve/token_probabilities.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pith {

std::vector<TokenLogProbability::Alternative> likeliest_tokens(std::span<const float> logits,
                                                               int32_t count,
                                                               const Tokenizer& tokenizer) {
  if (count == 0 || logits.empty()) return {};
  std::vector<TokenId> order(logits.size());
  std::iota(order.begin(), order.end(), TokenId{0});
  const auto logit = [&](TokenId id) { return logits[static_cast<size_t>(id)]; };
  const auto most = order.begin() + std::min<std::ptrdiff_t>(count, std::ssize(order));
  std::partial_sort(order.begin(), most, order.end(), [&](TokenId a, TokenId b) {
    return logit(a) > logit(b) || (logit(a) == logit(b) && a < b);
  });
  const auto highest = static_cast<double>(logit(order.front()));
  double sum = 0;
  for (const float value : logits) sum += std::exp(static_cast<double>(value) - highest);
  const double log_sum = highest + std::log(sum);
  std::vector<TokenLogProbability::Alternative> likeliest;
  for (auto id = order.begin(); id != most; ++id) {
    const double log_probability = static_cast<double>(logit(*id)) - log_sum;
    likeliest.push_back({*id, tokenizer.bytes(*id), static_cast<float>(log_probability)});
  }
  return likeliest;
}

}  // namespace pith
