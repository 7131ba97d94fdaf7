// Logistic regression: the linear head of a verifier. The optimum is unique, and what is
// returned is close to it; the same bits for any number of threads.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "heads/normaliser.h"
#include "reason/linear_head.h"

namespace pith {

struct LabelledRow {
  size_t row = 0;  // of the matrix
  bool positive = false;
  double weight = 1;  // above 0
};

// A linear function of features as they are: what normalised them is part of it.
struct LogisticModel {
  std::vector<double> weight;
  double bias = 0;

  double logit(std::span<const float> x) const;
  LinearHead head() const;  // [1, width], in float32
};

struct LogisticOptions {
  double gradient_tolerance = 1e-6;  // largest entry of the gradient at the end
  int most_iterations = 500;
};

// Minimises  sum_i w_i log(1 + exp(-y_i z_i)) / sum_i w_i + l2 / 2 |v|^2  over v and a bias b,
// where z = v . n(x) + b and n brings each feature to mean 0 and variance 1 over the rows (one
// without variance to 0). L-BFGS (Liu and Nocedal 1989).
class LogisticFit {
 public:
  // Borrows the matrix and the pool. One row at least (CHECKed).
  LogisticFit(const FeatureMatrix& matrix, std::vector<LabelledRow> rows, ThreadPool& pool);

  // Starts from the solution before, if any: quick along a path of penalties. `l2` above 0.
  LogisticModel solve(double l2, const LogisticOptions& options = {});

 private:
  // The objective at `point` [width + 1], the bias last, and its gradient.
  double evaluate(const std::vector<double>& point, double l2, std::vector<double>& gradient);
  LogisticModel unnormalised(const std::vector<double>& point) const;

  FeatureMatrix matrix_;
  std::vector<LabelledRow> rows_;
  ThreadPool& pool_;
  Normaliser normaliser_;
  double total_weight_ = 0;
  std::vector<double> point_;     // the last solution
  std::vector<double> partials_;  // [pieces, width + 2]
};

// Mean weighted log loss of the model on the rows.
double log_loss(const LogisticModel& model, const FeatureMatrix& matrix,
                std::span<const LabelledRow> rows);

}  // namespace pith
