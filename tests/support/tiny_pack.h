// Reasoning packs of random numbers for tiny models.
#pragma once

#include <string>

#include "base/rng.h"
#include "reason/pack.h"

namespace pith::testing {

// The same for the same `salt`; near 1 / sqrt(inputs) in size.
inline LinearHead random_head(size_t inputs, size_t outputs, uint64_t salt) {
  LinearHead head{inputs, outputs, {}, {}};
  const auto number = [&](uint64_t i) {
    return static_cast<float>(static_cast<double>(random_bits(salt, 0, i) >> 11) * 0x1p-52 - 1);
  };
  for (uint64_t i = 0; i < inputs * outputs; ++i) head.weight.push_back(number(i) / 8);
  for (uint64_t i = 0; i < outputs; ++i) head.bias.push_back(number(inputs * outputs + i));
  return head;
}

// With a switcher and a verifier, without an adapter; for no model in particular.
inline Pack random_pack(const std::string& folder, size_t width) {
  Pack pack;
  pack.folder = folder;
  pack.name = "random";
  pack.base = {"tiny", std::string(64, 'a')};
  pack.prompts.system = "Think for at most {budget} tokens.";
  pack.prompts.verification = "Is this right?";
  pack.switcher = Switcher{random_head(width, 8, 1), random_head(8, 1, 2)};
  pack.verifier = random_head(width, 1, 3);
  pack.calibration.emplace(VoteRule::verifier,
                           Calibration::from_points({{0.25, 0.125}, {0.75, 0.5}}).value());
  pack.results.push_back({"gsm8k test", "on", "verifier", 8, 1024, 1319, 0.75, 0.72, 0.78, 312.5});
  return pack;
}

}  // namespace pith::testing
