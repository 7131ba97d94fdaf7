// What early stops (reason/early_stop.h) would have spared, had the samples of a question
// been taken one after the other. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "eval/statistics.h"

namespace pith {

// No further sample is taken once none can change the winner and, if there is a
// probability, once leader_probability() is that or more: as `pith ask --stop-at` does it.
using StopAt = std::optional<double>;

// Means over kStopOrders orders of the samples: that of their numbers, and shuffles.
struct StopOutcome {
  double accuracy = 0;  // of the vote over the samples that were taken
  double samples = 0;
  double tokens = 0;
};
inline constexpr int kStopOrders = 20;

// One outcome for each of `stops`. `tokens` are those of each vote; one vote at least,
// weights from 0 to 1.
std::vector<StopOutcome> stop_early(std::span<const Vote> votes, std::span<const int32_t> tokens,
                                    std::span<const StopAt> stops, uint64_t seed);

}  // namespace pith
