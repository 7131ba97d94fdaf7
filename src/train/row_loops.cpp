#include "train/row_loops.h"

namespace pith::train {

const AllRowLoops& row_loops_for(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return kAvx512RowLoops;
    case Isa::avx2:
      return kAvx2RowLoops;
    default:
      return kBaselineRowLoops;
  }
}

}  // namespace pith::train
