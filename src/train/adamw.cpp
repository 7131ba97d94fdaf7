#include "train/adamw.h"

#include <cmath>
#include <numbers>

namespace pith::train {

AdamW::AdamW(std::vector<at::Tensor> parameters, const AdamWOptions& options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const at::Tensor& parameter : parameters_) {
    first_.push_back(at::zeros_like(parameter.detach()));
    second_.push_back(at::zeros_like(parameter.detach()));
  }
}

void AdamW::step(double learning_rate) {
  const at::NoGradGuard no_gradient;
  ++steps_;
  const auto steps = static_cast<double>(steps_);
  const double correction1 = 1 - std::pow(options_.beta1, steps);
  const double correction2 = 1 - std::pow(options_.beta2, steps);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor& parameter = parameters_[i];
    const at::Tensor& gradient = parameter.grad();
    if (!gradient.defined()) continue;
    first_[i].mul_(options_.beta1).add_(gradient, 1 - options_.beta1);
    second_[i].mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
    const at::Tensor size = (second_[i] / correction2).sqrt_().add_(options_.epsilon);
    parameter.mul_(1 - learning_rate * options_.weight_decay);
    parameter.addcdiv_(first_[i], size, -learning_rate / correction1);
  }
  clear_gradients();
}

void AdamW::clear_gradients() {
  for (at::Tensor& parameter : parameters_) parameter.mutable_grad().reset();
}

double AdamW::clip_gradients(double most) {
  const at::NoGradGuard no_gradient;
  double squares = 0;
  for (const at::Tensor& parameter : parameters_) {
    if (parameter.grad().defined()) {
      squares += parameter.grad().square().sum(at::kDouble).item<double>();
    }
  }
  const double norm = std::sqrt(squares);
  if (norm > most) {
    for (const at::Tensor& parameter : parameters_) {
      if (parameter.grad().defined()) parameter.grad().mul_(most / norm);
    }
  }
  return norm;
}

double cosine_rate(double peak, double warmup, int64_t step, int64_t steps) {
  const auto rise = static_cast<int64_t>(std::ceil(warmup * static_cast<double>(steps)));
  if (step < rise) return peak * static_cast<double>(step + 1) / static_cast<double>(rise);
  const double share = static_cast<double>(step - rise) / static_cast<double>(steps - rise);
  return peak * 0.5 * (1 + std::cos(std::numbers::pi * share));
}

}  // namespace pith::train
