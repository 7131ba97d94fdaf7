#include "heads/normaliser.h"

#include <cmath>

namespace pith {
namespace {

// A deviation that is smaller beside the mean is what float32 rounds.
constexpr double kLeastDeviation = 1e-6;

}  // namespace

Normaliser Normaliser::over(const FeatureMatrix& matrix, std::span<const size_t> rows) {
  const auto count = static_cast<double>(rows.size());
  Normaliser normaliser{std::vector<double>(matrix.width), std::vector<double>(matrix.width)};
  for (const size_t row : rows) {
    const auto x = matrix.row(row);
    for (size_t i = 0; i < x.size(); ++i) normaliser.mean[i] += static_cast<double>(x[i]) / count;
  }
  std::vector<double>& variance = normaliser.inverse;
  for (const size_t row : rows) {
    const auto x = matrix.row(row);
    for (size_t i = 0; i < x.size(); ++i) {
      const double distance = static_cast<double>(x[i]) - normaliser.mean[i];
      variance[i] += distance * distance / count;
    }
  }
  for (size_t i = 0; i < variance.size(); ++i) {
    const double deviation = std::sqrt(variance[i]);
    const bool varies = deviation > kLeastDeviation * std::fabs(normaliser.mean[i]);
    variance[i] = varies ? 1 / deviation : 0;
  }
  return normaliser;
}

std::vector<double> Normaliser::normalised(std::span<const float> x) const {
  std::vector<double> result(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    result[i] = (static_cast<double>(x[i]) - mean[i]) * inverse[i];
  }
  return result;
}

double Normaliser::unfold(std::span<double> weights) const {
  double bias = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] *= inverse[i];
    bias -= weights[i] * mean[i];
  }
  return bias;
}

}  // namespace pith
