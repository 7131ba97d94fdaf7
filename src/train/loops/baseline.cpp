#include "train/loops/loops.h"

namespace pith::train {

const AllRowLoops kBaselineRowLoops = kAllLoops;

}  // namespace pith::train
