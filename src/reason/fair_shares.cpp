#include "reason/fair_shares.h"

#include <algorithm>
#include <numeric>

namespace pith {

std::vector<size_t> fair_shares(size_t total, std::span<const size_t> wanted) {
  std::vector<size_t> order(wanted.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return wanted[a] < wanted[b]; });
  std::vector<size_t> shares(wanted.size());
  // Those who ask for less than an even share leave the rest to the others.
  size_t settled = 0;
  for (; settled < order.size(); ++settled) {
    const size_t want = wanted[order[settled]];
    if (want > total / (order.size() - settled)) break;
    shares[order[settled]] = want;
    total -= want;
  }
  std::sort(order.begin() + static_cast<std::ptrdiff_t>(settled), order.end());
  for (; settled < order.size(); ++settled) {
    const size_t left = order.size() - settled;
    const size_t share = (total + left - 1) / left;  // at most what is wanted
    shares[order[settled]] = share;
    total -= share;
  }
  return shares;
}

}  // namespace pith
