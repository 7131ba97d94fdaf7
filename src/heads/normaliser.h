// Brings features to mean 0 and variance 1, and weights for such features back to features as
// they are.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace pith {

// Rows of numbers, [rows, width], borrowed.
struct FeatureMatrix {
  std::span<const float> values;
  size_t width = 0;

  std::span<const float> row(size_t i) const { return values.subspan(i * width, width); }
};

struct Normaliser {
  std::vector<double> mean;     // by feature
  std::vector<double> inverse;  // 1 / standard deviation; 0 where there is next to none

  // Over these rows; one at least.
  static Normaliser over(const FeatureMatrix& matrix, std::span<const size_t> rows);

  std::vector<double> normalised(std::span<const float> x) const;
  // The weights and the bias of the same linear function of features as they are. `weights`
  // is by feature and changed in place; returns what is added to the bias.
  double unfold(std::span<double> weights) const;
};

}  // namespace pith
