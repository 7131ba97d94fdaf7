#include "heads/perceptron.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"

namespace pith {
namespace {

constexpr double kFirstBeta = 0.9;
constexpr double kSecondBeta = 0.999;
constexpr double kAdamEpsilon = 1e-8;
constexpr size_t kSumLanes = 8;

double product(const double* a, const double* b, size_t size) {
  std::array<double, kSumLanes> sums{};
  size_t i = 0;
  for (; i + kSumLanes <= size; i += kSumLanes) {
    for (size_t lane = 0; lane < kSumLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  double sum = 0;
  for (; i < size; ++i) sum += a[i] * b[i];
  for (const double lane : sums) sum += lane;
  return sum;
}

double scale_of(std::span<const double> mask, size_t unit) { return mask.empty() ? 1 : mask[unit]; }

}  // namespace

Perceptron Perceptron::random(size_t inputs, size_t units, uint64_t seed) {
  Perceptron perceptron{inputs, units, {}};
  perceptron.parameters.resize(perceptron.size());
  const auto fill = [&](size_t begin, size_t end, size_t fan_in) {
    const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
    for (size_t i = begin; i < end; ++i) {
      perceptron.parameters[i] = bound * (2 * random_unit(seed, 0, i) - 1);
    }
  };
  fill(0, perceptron.hidden_bias(), inputs);
  fill(perceptron.output_weight(), perceptron.output_bias(), units);
  return perceptron;
}

double Perceptron::active(size_t unit, std::span<const double> x) const {
  const double z = parameters[hidden_bias() + unit] +
                   product(parameters.data() + unit * inputs, x.data(), inputs);
  return std::max(z, 0.0);
}

double Perceptron::logit(std::span<const double> x) const {
  PITH_CHECK(x.size() == inputs);
  double sum = parameters[output_bias()];
  for (size_t unit = 0; unit < units; ++unit) {
    sum += parameters[output_weight() + unit] * active(unit, x);
  }
  return sum;
}

double logistic_loss(double margin) {
  return std::max(-margin, 0.0) + std::log1p(std::exp(-std::fabs(margin)));
}

double add_gradient(const Perceptron& perceptron, std::span<const double> x, bool positive,
                    double weight, std::span<const double> mask, std::vector<double>& gradient) {
  const size_t inputs = perceptron.inputs;
  const std::vector<double>& p = perceptron.parameters;
  std::vector<double> active(perceptron.units);  // after ReLU and mask
  double logit = p[perceptron.output_bias()];
  for (size_t unit = 0; unit < perceptron.units; ++unit) {
    active[unit] = perceptron.active(unit, x) * scale_of(mask, unit);
    logit += p[perceptron.output_weight() + unit] * active[unit];
  }
  const double residual = weight * (1 / (1 + std::exp(-logit)) - (positive ? 1 : 0));
  for (size_t unit = 0; unit < perceptron.units; ++unit) {
    if (active[unit] <= 0) continue;
    gradient[perceptron.output_weight() + unit] += residual * active[unit];
    const double dz = residual * p[perceptron.output_weight() + unit] * scale_of(mask, unit);
    gradient[perceptron.hidden_bias() + unit] += dz;
    double* d_row = gradient.data() + unit * inputs;
    for (size_t i = 0; i < inputs; ++i) d_row[i] += dz * x[i];
  }
  gradient[perceptron.output_bias()] += residual;
  return weight * logistic_loss(positive ? logit : -logit);
}

void PerceptronAdam::step(std::vector<double>& parameters, const std::vector<double>& gradient) {
  ++steps_;
  const auto steps = static_cast<double>(steps_);
  const double first_share = 1 - std::pow(kFirstBeta, steps);
  const double second_share = 1 - std::pow(kSecondBeta, steps);
  for (size_t i = 0; i < parameters.size(); ++i) {
    first_[i] = kFirstBeta * first_[i] + (1 - kFirstBeta) * gradient[i];
    second_[i] = kSecondBeta * second_[i] + (1 - kSecondBeta) * gradient[i] * gradient[i];
    const double move =
        first_[i] / first_share / (std::sqrt(second_[i] / second_share) + kAdamEpsilon);
    parameters[i] -= learning_rate_ * (move + weight_decay_ * parameters[i]);
  }
}

}  // namespace pith
