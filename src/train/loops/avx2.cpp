#include "train/loops/loops.h"

namespace pith::train {

const AllRowLoops kAvx2RowLoops = kAllLoops;

}  // namespace pith::train
