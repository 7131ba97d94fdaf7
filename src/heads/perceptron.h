// A small multilayer perceptron with one hidden layer, its gradient, and AdamW.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace pith {

// hidden [units, inputs] and its bias, ReLU, output [units] and its bias: one logit.
struct Perceptron {
  size_t inputs = 0;
  size_t units = 0;
  std::vector<double> parameters;  // hidden weights, hidden biases, output weights, output bias

  // Weights uniform in +- 1 / sqrt(inputs of the layer), biases 0.
  static Perceptron random(size_t inputs, size_t units, uint64_t seed);

  size_t hidden_bias() const { return inputs * units; }
  size_t output_weight() const { return hidden_bias() + units; }
  size_t output_bias() const { return output_weight() + units; }
  size_t size() const { return output_bias() + 1; }

  double active(size_t unit, std::span<const double> x) const;  // of a hidden unit
  double logit(std::span<const double> x) const;
};

// log(1 + exp(-margin)), without overflow.
double logistic_loss(double margin);

// Adds weight * the gradient of logistic_loss(y z) to `gradient` [size()]; returns the loss,
// weighted too. `mask` scales the hidden units (dropout); empty: all by 1.
double add_gradient(const Perceptron& perceptron, std::span<const double> x, bool positive,
                    double weight, std::span<const double> mask, std::vector<double>& gradient);

// AdamW (Loshchilov and Hutter 2019), betas 0.9 and 0.999.
class PerceptronAdam {
 public:
  PerceptronAdam(size_t size, double learning_rate, double weight_decay)
      : learning_rate_(learning_rate), weight_decay_(weight_decay), first_(size), second_(size) {}

  void step(std::vector<double>& parameters, const std::vector<double>& gradient);

 private:
  double learning_rate_;
  double weight_decay_;
  std::vector<double> first_;
  std::vector<double> second_;
  int64_t steps_ = 0;
};

}  // namespace pith
