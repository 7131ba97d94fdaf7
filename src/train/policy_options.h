// Options of train/policy_loss.h.
#pragma once

namespace pith::train {

struct PolicyLossOptions {
  double clip_low = 0.2;   // a ratio from 1 - this
  double clip_high = 0.2;  // to 1 + this counts in full
  double kl = 1e-3;        // weight of the distance from the reference; 0: none
};

}  // namespace pith::train
