// AdamW (arXiv 1711.05101) and what goes with it.
#pragma once

#include <cstdint>
#include <vector>

#include "train/torch.h"

namespace pith::train {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
};

// One thread. Holds the parameters and two moments of each, which begin as zeros.
class AdamW {
 public:
  AdamW(std::vector<at::Tensor> parameters, const AdamWOptions& options);

  // One step down the parameters' .grad, which is cleared; one without it stays as it is.
  void step(double learning_rate);
  void clear_gradients();

  // The norm of all gradients together, which are then scaled to have `most` at most.
  double clip_gradients(double most);

  const std::vector<at::Tensor>& parameters() const { return parameters_; }
  // Moments by parameter; whoever restores them also sets `steps`, that are done.
  const std::vector<at::Tensor>& first() const { return first_; }
  const std::vector<at::Tensor>& second() const { return second_; }
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

 private:
  std::vector<at::Tensor> parameters_, first_, second_;
  AdamWOptions options_;
  int64_t steps_ = 0;
};

// Of step `step` (from 0) of `steps`: a straight rise over the share `warmup` of them,
// then half a cosine down to zero.
double cosine_rate(double peak, double warmup, int64_t step, int64_t steps);

}  // namespace pith::train
