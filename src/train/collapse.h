// When training goes wrong for good.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pith::train {

// Of means over `window` steps.
struct CollapseLimits {
  int32_t window = 10;
  double accuracy_share = 0.5;  // least of the best mean accuracy so far
  double least_entropy = 0.01;  // nats a token
  double most_entropy = 3;
  double most_kl = 1;  // nats a token
};

// By step. `kl` may be empty: it is not measured.
struct CollapseFigures {
  std::vector<double> accuracy, entropy, kl;
};

// What is out of bounds in the last steps, in words; empty: nothing, or too few steps to say.
std::string find_collapse(const CollapseFigures& figures, const CollapseLimits& limits);

}  // namespace pith::train
