// The switcher (arXiv 2603.16867, section 3): a small head that reads in the hidden states
// of a prompt whether the question needs reasoning.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/safetensors.h"
#include "reason/linear_head.h"

namespace pith {

// Positions that are averaged together: the paper's prefill chunk.
inline constexpr size_t kPoolTokens = 128;
inline constexpr double kPoolSmoothing = 0.5;

// Pools the hidden states of a prompt as they come: the mean of each chunk of kPoolTokens
// positions, counted from the prompt's start (the last chunk may be shorter), and over the
// chunks m_0, m_1, .. the average e_0 = m_0, e_i = 0.5 m_i + 0.5 e_(i-1). Depends on the
// states and their order alone, to the bit, not on the steps in which they were computed.
class PromptPooler {
 public:
  explicit PromptPooler(size_t width) : sum_(width), average_(width) {}

  // The state of the next position, [C] (CHECKed).
  void push(std::span<const float> hidden);
  size_t positions() const { return positions_; }
  // [C], of one position or more (CHECKed). More may be pushed afterwards.
  std::vector<float> pooled() const;

 private:
  // The average with a chunk of `count` positions that sum_ holds.
  double with_chunk(size_t channel, size_t count) const;

  size_t positions_ = 0;
  std::vector<double> sum_;      // [C] of the chunk that is open
  std::vector<double> average_;  // [C] over the chunks that are closed
};

// An MLP: `hidden` [H, C], ReLU, `output` [1, H], sigmoid. The paper has H = 8. Immutable.
struct Switcher {
  LinearHead hidden;
  LinearHead output;
  int32_t layer = 0;  // behind which states are pooled (Row::hidden_layers); not in its file

  size_t width() const { return hidden.inputs; }  // C
  // That reasoning is needed; `pooled` is [C] (CHECKed).
  double probability(std::span<const float> pooled) const;
};

// The heads "hidden" and "output" of a file. Errors: those of read_linear_head; corrupt
// (sizes that do not follow from each other, tensors of no meaning).
Result<Switcher> read_switcher(const SafetensorsFile& file);
Status write_switcher(const Switcher& switcher, const std::string& path, HeadPrecision precision);

}  // namespace pith
