#include "eval/stopping.h"

#include <numeric>

#include "base/error.h"
#include "reason/early_stop.h"

namespace pith {
namespace {

bool is_enough(const Tally& taken, size_t open, const StopAt& stop_at) {
  if (vote_is_decided(taken.leader(), taken.second(), open)) return true;
  return stop_at && taken.answered() > 0 &&
         leader_probability(taken.leader(), taken.second()) >= *stop_at;
}

// Adds what happens in this order of the votes.
void take_in_order(std::span<const Vote> votes, std::span<const int32_t> tokens,
                   std::span<const size_t> order, const StopAt& stop_at, StopOutcome& outcome) {
  Tally taken(count_groups(votes));
  for (size_t i = 0; i < order.size(); ++i) {
    taken.add(votes[order[i]]);
    outcome.samples += 1;
    outcome.tokens += tokens[order[i]];
    if (is_enough(taken, order.size() - i - 1, stop_at)) break;
  }
  outcome.accuracy += taken.accuracy();
}

}  // namespace

std::vector<StopOutcome> stop_early(std::span<const Vote> votes, std::span<const int32_t> tokens,
                                    std::span<const StopAt> stops, uint64_t seed) {
  PITH_CHECK(!votes.empty() && votes.size() == tokens.size());
  std::vector<StopOutcome> outcomes(stops.size());
  std::vector<size_t> order(votes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (uint64_t number = 0; number < kStopOrders; ++number) {
    if (number > 0) order = random_order(votes.size(), seed, number);
    for (size_t i = 0; i < stops.size(); ++i) {
      take_in_order(votes, tokens, order, stops[i], outcomes[i]);
    }
  }
  for (StopOutcome& outcome : outcomes) {
    outcome.accuracy /= kStopOrders;
    outcome.samples /= kStopOrders;
    outcome.tokens /= kStopOrders;
  }
  return outcomes;
}

}  // namespace pith
