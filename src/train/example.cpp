#include "train/example.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/rng.h"

namespace pith::train {

size_t boundary_of(std::span<const TokenId> prompt, std::span<const TokenId> header) {
  return static_cast<size_t>(
      std::find_end(prompt.begin(), prompt.end(), header.begin(), header.end()) - prompt.begin());
}

std::vector<std::vector<size_t>> split_examples(std::span<const Example> examples,
                                                std::vector<size_t> chosen, int64_t most_rows) {
  std::sort(chosen.begin(), chosen.end());
  std::vector<std::vector<size_t>> parts;
  int64_t room = 0;
  for (const size_t i : chosen) {
    if (parts.empty() || examples[i].rows() > room) {
      parts.emplace_back();
      room = most_rows;
    }
    parts.back().push_back(i);
    room -= examples[i].rows();
  }
  return parts;
}

std::vector<size_t> BatchPlan::at(int64_t step) const {
  const int64_t epoch = step / steps_per_epoch();
  const int64_t first = step % steps_per_epoch() * batch;
  // Fisher and Yates.
  std::vector<size_t> order(static_cast<size_t>(examples));
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random_bits(seed, static_cast<uint64_t>(epoch), i) % i]);
  }
  const auto begin = order.begin() + first;
  return {begin, begin + std::min(batch, examples - first)};
}

}  // namespace pith::train
