#include "eval/cross_fit.h"

#include "base/error.h"
#include "eval/statistics.h"

namespace pith {

CrossFit cross_fit(std::span<const JudgedVote> votes, uint64_t seed) {
  PITH_CHECK(votes.size() >= kFolds);
  CrossFit result{std::vector<double>(votes.size()), Calibration::fit(votes)};
  const std::vector<size_t> order = random_order(votes.size(), seed, 0);
  for (size_t fold = 0; fold < kFolds; ++fold) {
    std::vector<JudgedVote> others;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i % kFolds != fold) others.push_back(votes[order[i]]);
    }
    const Calibration calibration = Calibration::fit(others);
    for (size_t i = fold; i < order.size(); i += kFolds) {
      const JudgedVote& vote = votes[order[i]];
      result.probabilities[order[i]] = calibration.probability(vote.share, vote.votes);
    }
  }
  return result;
}

}  // namespace pith
