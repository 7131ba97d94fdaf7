// The way of examples through the twin.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "train/example.h"
#include "train/twin.h"

namespace pith::train {

// Some examples' way through the twin. The base model reads their prompts up to the boundary
// at once; neighbours with the same prompt share that. Borrows examples and twin.
class ExamplePass {
 public:
  ExamplePass(const Twin& twin, std::span<const Example> examples,
              const std::vector<size_t>& chosen);

  // The tokens of all completions, one after the other: T.
  const at::Tensor& targets() const { return targets_; }  // [T]

  // The log-probabilities of these: [T]. No gradient.
  at::Tensor log_probabilities(const LoraPass& pass, double temperature = 1) const;

  // loss_of(log-probabilities [T]); adds its gradient to the factors'.
  double accumulate(const LoraPass& pass,
                    FunctionRef<at::Tensor(const at::Tensor& log_probabilities)> loss_of,
                    double temperature = 1) const;

 private:
  at::Tensor read_off(const at::Tensor& hidden, double temperature) const;

  const Twin& twin_;
  std::deque<Past> pasts_;                   // one for neighbours with the same prompt
  std::deque<std::vector<TokenId>> tokens_;  // of the texts
  std::vector<Continuation> texts_;
  at::Tensor rows_;  // that predict the targets
  at::Tensor targets_;
};

}  // namespace pith::train
