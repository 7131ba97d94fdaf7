#include "reason/fair_shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/rng.h"

namespace pith {
namespace {

using Sizes = std::vector<size_t>;

TEST(FairShares, AreEvenUnlessSomeoneWantsLess) {
  EXPECT_EQ(fair_shares(12, Sizes{100, 100, 100}), (Sizes{4, 4, 4}));
  EXPECT_EQ(fair_shares(12, Sizes{100, 2, 100}), (Sizes{5, 2, 5}));
  EXPECT_EQ(fair_shares(11, Sizes{100, 2, 100}), (Sizes{5, 2, 4}));
  EXPECT_EQ(fair_shares(2, Sizes{9, 9, 9}), (Sizes{1, 1, 0}));
  EXPECT_EQ(fair_shares(50, Sizes{3, 0, 4}), (Sizes{3, 0, 4}));
  EXPECT_EQ(fair_shares(0, Sizes{3}), (Sizes{0}));
  EXPECT_EQ(fair_shares(5, Sizes{}), (Sizes{}));
}

TEST(FairShares, NobodyCouldHaveMoreButFromSomeoneWithNoMore) {
  for (uint64_t round = 0; round < 500; ++round) {
    Sizes wanted(random_bits(round, 0, 0) % 9);
    for (size_t i = 0; i < wanted.size(); ++i) wanted[i] = random_bits(round, 1, i) % 20;
    const size_t total = random_bits(round, 2, 0) % 90;
    const Sizes shares = fair_shares(total, wanted);
    ASSERT_EQ(shares.size(), wanted.size());
    EXPECT_EQ(std::accumulate(shares.begin(), shares.end(), size_t{0}),
              std::min(total, std::accumulate(wanted.begin(), wanted.end(), size_t{0})));
    const size_t most = shares.empty() ? 0 : *std::max_element(shares.begin(), shares.end());
    for (size_t i = 0; i < shares.size(); ++i) {
      ASSERT_LE(shares[i], wanted[i]);
      EXPECT_TRUE(shares[i] == wanted[i] || shares[i] + 1 >= most);
    }
  }
}

}  // namespace
}  // namespace pith
