#include "heads/logistic.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <numeric>

#include "base/error.h"
#include "heads/perceptron.h"

namespace pith {
namespace {

using Vector = std::vector<double>;

constexpr size_t kPieceRows = 256;  // whose gradient is summed up by itself: the same order always
constexpr size_t kLanes = 8;        // of sums, which compilers keep in vectors
constexpr size_t kMemory = 10;      // pairs of L-BFGS
constexpr double kSufficient = 1e-4;  // share of the promised decrease that a step must bring
constexpr int kMostHalvings = 40;

double dot(const double* a, const float* x, size_t size) {
  std::array<double, kLanes> sums{};
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] += a[i + lane] * static_cast<double>(x[i + lane]);
    }
  }
  double sum = 0;
  for (; i < size; ++i) sum += a[i] * static_cast<double>(x[i]);
  for (const double lane : sums) sum += lane;
  return sum;
}

double inner(const Vector& a, const Vector& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

double largest(const Vector& a) {
  double most = 0;
  for (const double value : a) most = std::max(most, std::fabs(value));
  return most;
}

// A step that was made, and what it changed of the gradient.
struct Correction {
  Vector step;
  Vector change;
  double inverse = 0;  // 1 / (step . change)
};

// - H gradient, H the inverse of the Hessian as the corrections have it: the two loops.
Vector direction_of(const Vector& gradient, const std::deque<Correction>& corrections) {
  Vector q = gradient;
  std::vector<double> alphas;
  for (auto pair = corrections.rbegin(); pair != corrections.rend(); ++pair) {
    const double alpha = pair->inverse * inner(pair->step, q);
    for (size_t i = 0; i < q.size(); ++i) q[i] -= alpha * pair->change[i];
    alphas.push_back(alpha);
  }
  double scale = 1;
  if (!corrections.empty()) {
    const Correction& last = corrections.back();
    scale = 1 / (last.inverse * inner(last.change, last.change));
  }
  for (double& value : q) value *= scale;
  for (const Correction& pair : corrections) {
    const double beta = pair.inverse * inner(pair.change, q);
    const double alpha = alphas.back();
    alphas.pop_back();
    for (size_t i = 0; i < q.size(); ++i) q[i] += (alpha - beta) * pair.step[i];
  }
  for (double& value : q) value = -value;
  return q;
}

}  // namespace

double LogisticModel::logit(std::span<const float> x) const {
  return bias + dot(weight.data(), x.data(), x.size());
}

LinearHead LogisticModel::head() const {
  LinearHead head{weight.size(), 1, {}, {static_cast<float>(bias)}};
  for (const double value : weight) head.weight.push_back(static_cast<float>(value));
  return head;
}

LogisticFit::LogisticFit(const FeatureMatrix& matrix, std::vector<LabelledRow> rows,
                         ThreadPool& pool)
    : matrix_(matrix), rows_(std::move(rows)), pool_(pool), point_(matrix.width + 1) {
  PITH_CHECK(!rows_.empty());
  std::vector<size_t> all;
  for (const LabelledRow& row : rows_) {
    all.push_back(row.row);
    total_weight_ += row.weight;
  }
  normaliser_ = Normaliser::over(matrix_, all);
  partials_.resize((rows_.size() + kPieceRows - 1) / kPieceRows * (matrix.width + 2));
}

LogisticModel LogisticFit::unnormalised(const Vector& point) const {
  LogisticModel model{Vector(point.begin(), point.end() - 1), point.back()};
  model.bias += normaliser_.unfold(model.weight);
  return model;
}

double LogisticFit::evaluate(const Vector& point, double l2, Vector& gradient) {
  const size_t width = matrix_.width;
  const LogisticModel model = unnormalised(point);
  // Of each piece: sum of residual x feature, sum of residuals, loss.
  pool_.parallel_for(rows_.size(), kPieceRows, [&](size_t begin, size_t end, int) {
    double* partial = partials_.data() + begin / kPieceRows * (width + 2);
    std::fill(partial, partial + width + 2, 0.0);
    for (size_t i = begin; i < end; ++i) {
      const LabelledRow& row = rows_[i];
      const auto x = matrix_.row(row.row);
      const double logit = model.logit(x);
      const double weight = row.weight / total_weight_;
      const double residual = weight * (sigmoid(logit) - (row.positive ? 1 : 0));
      for (size_t c = 0; c < width; ++c) partial[c] += residual * static_cast<double>(x[c]);
      partial[width] += residual;
      partial[width + 1] += weight * logistic_loss(row.positive ? logit : -logit);
    }
  });
  Vector sums(width + 2);
  for (size_t i = 0; i < partials_.size(); ++i) sums[i % (width + 2)] += partials_[i];
  double value = sums[width + 1];
  for (size_t c = 0; c < width; ++c) {
    gradient[c] =
        (sums[c] - normaliser_.mean[c] * sums[width]) * normaliser_.inverse[c] + l2 * point[c];
    value += l2 / 2 * point[c] * point[c];
  }
  gradient[width] = sums[width];
  return value;
}

LogisticModel LogisticFit::solve(double l2, const LogisticOptions& options) {
  Vector gradient(point_.size());
  double value = evaluate(point_, l2, gradient);
  std::deque<Correction> corrections;
  for (int iteration = 0; iteration < options.most_iterations; ++iteration) {
    if (largest(gradient) <= options.gradient_tolerance) break;
    const Vector direction = direction_of(gradient, corrections);
    const double slope = inner(direction, gradient);
    Vector next = point_;
    Vector next_gradient(point_.size());
    double next_value = value;
    double length = 1;
    bool found = false;
    for (int halving = 0; halving < kMostHalvings && !found; ++halving, length /= 2) {
      for (size_t i = 0; i < next.size(); ++i) next[i] = point_[i] + length * direction[i];
      next_value = evaluate(next, l2, next_gradient);
      found = next_value <= value + kSufficient * length * slope;
    }
    if (!found) break;  // rounding is all that is left
    Correction pair{next, next_gradient, 0};
    for (size_t i = 0; i < next.size(); ++i) {
      pair.step[i] -= point_[i];
      pair.change[i] -= gradient[i];
    }
    const double curvature = inner(pair.step, pair.change);
    point_ = std::move(next);
    gradient = std::move(next_gradient);
    value = next_value;
    if (curvature <= 0) continue;  // by rounding: the objective is convex
    pair.inverse = 1 / curvature;
    corrections.push_back(std::move(pair));
    if (corrections.size() > kMemory) corrections.pop_front();
  }
  return unnormalised(point_);
}

double log_loss(const LogisticModel& model, const FeatureMatrix& matrix,
                std::span<const LabelledRow> rows) {
  double loss = 0;
  double weight = 0;
  for (const LabelledRow& row : rows) {
    const double logit = model.logit(matrix.row(row.row));
    loss += row.weight * logistic_loss(row.positive ? logit : -logit);
    weight += row.weight;
  }
  return weight > 0 ? loss / weight : 0;
}

}  // namespace pith
