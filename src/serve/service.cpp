#include "serve/service.h"

#include <algorithm>

namespace pith {

void DurationHistogram::add(double seconds) {
  const auto bound = std::lower_bound(bounds_s.begin(), bounds_s.end(), seconds);
  ++counts[static_cast<size_t>(bound - bounds_s.begin())];
  ++count;
  sum_s += seconds;
}

}  // namespace pith
