#include "train/loops/loops.h"

namespace pith::train {

const AllRowLoops kAvx512RowLoops = kAllLoops;

}  // namespace pith::train
