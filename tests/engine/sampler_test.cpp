#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "base/rng.h"
#include "engine/sampler.h"

namespace pith {
namespace {

std::vector<float> some_logits(size_t count, uint64_t salt) {
  std::vector<float> logits;
  for (size_t i = 0; i < count; ++i) {
    logits.push_back(static_cast<float>(random_unit(salt, 0, i) * 12 - 6));
  }
  return logits;
}

double log_sum_exp(const std::vector<float>& logits) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  return std::log(sum);
}

// Shares of `draws` draws, by token.
std::map<TokenId, double> shares(const std::vector<float>& logits, const SamplingOptions& options,
                                 std::span<const TokenId> history = {}, uint32_t draws = 40000) {
  Sampler sampler;
  std::map<TokenId, double> shares;
  for (uint32_t position = 0; position < draws; ++position) {
    shares[sampler.sample(logits, options, 3, position, history).token] += 1.0 / draws;
  }
  return shares;
}

TEST(Sampler, GreedyTakesTheFirstBest) {
  Sampler sampler;
  const std::vector<float> logits = {1, 5, 5, -2};
  const auto sampled = sampler.sample(logits, {.temperature = 0}, 0, 0, {});
  EXPECT_EQ(sampled.token, 1);
  EXPECT_NEAR(sampled.log_probability, 5 - log_sum_exp(logits), 1e-5);
}

TEST(Sampler, LogProbabilityIsTheModelsOwn) {
  Sampler sampler;
  const auto logits = some_logits(1000, 1);
  const SamplingOptions options{.temperature = 0.3f, .top_k = 5, .top_p = 0.5f};
  for (uint32_t position = 0; position < 50; ++position) {
    const auto sampled = sampler.sample(logits, options, 0, position, {});
    EXPECT_NEAR(sampled.log_probability,
                logits[static_cast<size_t>(sampled.token)] - log_sum_exp(logits), 1e-4);
  }
}

TEST(Sampler, DrawsByTheSoftmaxOfTheTemperature) {
  const std::vector<float> logits = {0, 1, 2, 0.5f};
  const float temperature = 0.7f;
  double total = 0;
  for (const float logit : logits) total += std::exp(logit / temperature);
  const auto seen = shares(logits, {.temperature = temperature});
  for (size_t i = 0; i < logits.size(); ++i) {
    const double p = std::exp(logits[i] / temperature) / total;
    // Five standard deviations of a share of 40,000 draws.
    EXPECT_NEAR(seen.at(static_cast<TokenId>(i)), p, 5 * std::sqrt(p * (1 - p) / 40000));
  }
}

TEST(Sampler, TopKKeepsTheBest) {
  const auto seen = shares({3, 1, 2, 2.5f, 0}, {.temperature = 2, .top_k = 3});
  EXPECT_EQ(seen.size(), 3u);
  EXPECT_TRUE(seen.contains(0) && seen.contains(3) && seen.contains(2));
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
  // Probabilities 0.5, 0.3, 0.15, 0.05.
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.15f),
                                     std::log(0.05f)};
  EXPECT_EQ(shares(logits, {.temperature = 1, .top_p = 0.45f}).size(), 1u);
  EXPECT_EQ(shares(logits, {.temperature = 1, .top_p = 0.75f}).size(), 2u);
  EXPECT_EQ(shares(logits, {.temperature = 1, .top_p = 0.9f}).size(), 3u);
  const auto two = shares(logits, {.temperature = 1, .top_p = 0.75f});
  EXPECT_NEAR(two.at(0), 0.5 / 0.8, 0.02);
}

TEST(Sampler, MinPIsAShareOfTheBest) {
  const std::vector<float> logits = {std::log(0.5f), std::log(0.3f), std::log(0.15f),
                                     std::log(0.05f)};
  EXPECT_EQ(shares(logits, {.temperature = 1, .min_p = 0.5f}).size(), 2u);
  EXPECT_EQ(shares(logits, {.temperature = 1, .min_p = 0.2f}).size(), 3u);
}

TEST(Sampler, RepetitionPenaltyLowersWhatStoodBefore) {
  Sampler sampler;
  const std::vector<float> logits = {2.0f, 1.5f, -1.0f};
  const std::vector<TokenId> history = {0, 0, 0};
  const SamplingOptions options{.temperature = 0, .repetition_penalty = 1.5f};
  EXPECT_EQ(sampler.sample(logits, options, 0, 0, {}).token, 0);
  EXPECT_EQ(sampler.sample(logits, options, 0, 0, history).token, 1);  // 2 / 1.5 < 1.5
  const std::vector<TokenId> foreign = {-7, 1000};
  EXPECT_EQ(sampler.sample(logits, options, 0, 0, foreign).token, 0);
}

TEST(Sampler, ADrawDependsOnSeedStreamAndPositionAlone) {
  const auto logits = some_logits(500, 2);
  Sampler used;
  for (uint32_t i = 0; i < 100; ++i) used.sample(some_logits(700, i), {}, i, i, {});
  Sampler fresh;
  int different = 0;
  for (uint32_t position = 0; position < 200; ++position) {
    const SamplingOptions options{.temperature = 1, .seed = 9};
    const auto a = used.sample(logits, options, 4, position, {});
    const auto b = fresh.sample(logits, options, 4, position, {});
    EXPECT_EQ(a.token, b.token);
    EXPECT_EQ(a.log_probability, b.log_probability);
    different += fresh.sample(logits, options, 5, position, {}).token != a.token;
    different +=
        fresh.sample(logits, {.temperature = 1, .seed = 10}, 4, position, {}).token != a.token;
  }
  EXPECT_GT(different, 300);
}

// What the draw `unit` gives, by sorting everything.
TokenId plainly_drawn(const std::vector<float>& logits, const SamplingOptions& options,
                      double unit) {
  std::vector<TokenId> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto at = [&](TokenId token) { return logits[static_cast<size_t>(token)]; };
  std::stable_sort(order.begin(), order.end(), [&](TokenId a, TokenId b) { return at(a) > at(b); });
  if (options.top_k > 0) order.resize(static_cast<size_t>(options.top_k));
  std::vector<double> weights;
  for (const TokenId token : order) {
    weights.push_back(std::exp((double{at(token)} - at(order[0])) / options.temperature));
    if (weights.back() < options.min_p) weights.back() = 0;
  }
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  double kept = 0;
  for (double& weight : weights) {
    if (kept >= options.top_p * total) weight = 0;
    kept += weight;
  }
  double target = unit * kept;
  for (size_t i = 0; i < order.size(); ++i) {
    target -= weights[i];
    if (target < 0) return order[i];
  }
  return order.back();
}

TEST(Sampler, DrawsWhatSortingEverythingGives) {
  constexpr double kRounding = 3e-6;  // of a sum of floats
  Sampler sampler;
  // Several blocks; flat and steep, so that draws end in the first band and beyond it.
  for (const float temperature : {0.1f, 0.5f, 1.0f, 3.0f, 40.0f}) {
    const std::vector<SamplingOptions> all = {{.temperature = temperature},
                                              {.temperature = temperature, .top_k = 700},
                                              {.temperature = temperature, .top_p = 0.9f},
                                              {.temperature = temperature, .min_p = 0.01f}};
    for (const SamplingOptions& options : all) {
      for (uint32_t position = 0; position < 40; ++position) {
        const auto logits = some_logits(3000, position);
        const double unit = random_unit(options.seed, 2, position);
        const TokenId token = sampler.sample(logits, options, 2, position, {}).token;
        EXPECT_TRUE(token == plainly_drawn(logits, options, unit) ||
                    token == plainly_drawn(logits, options, unit + kRounding) ||
                    token == plainly_drawn(logits, options, unit - kRounding))
            << "temperature " << temperature << ", position " << position;
      }
    }
  }
}

TEST(Sampler, DrawsNoTokenWithoutWeight) {
  Sampler sampler;
  std::vector<TokenId> forbidden(2048);
  std::iota(forbidden.begin(), forbidden.end(), 0);
  const LogitBias bias{forbidden, -std::numeric_limits<float>::infinity()};
  const auto logits = some_logits(4000, 7);
  for (uint32_t position = 0; position < 200; ++position) {
    const SamplingOptions options{.temperature = position % 2 == 0 ? 2.0f : 0.0f};
    EXPECT_GE(sampler.sample(logits, options, 0, position, {}, bias).token, 2048);
  }
}

TEST(Sampler, SurvivesLogitsThatAreNotNumbers) {
  Sampler sampler;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const std::vector<float>& logits :
       {std::vector<float>{nan, nan, nan}, {-infinity, -infinity}, {infinity, 1}, {nan, 1, 2}}) {
    const auto sampled = sampler.sample(logits, {.temperature = 0.8f, .top_p = 0.9f}, 0, 0, {});
    EXPECT_GE(sampled.token, 0);
    EXPECT_LT(static_cast<size_t>(sampled.token), logits.size());
  }
}

}  // namespace
}  // namespace pith
