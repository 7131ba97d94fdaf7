#include "train/sum_gradients.h"

namespace pith::train {

Status sum_gradients(Ranks& ranks, const std::vector<at::Tensor>& parameters,
                     std::span<double> figures) {
  if (ranks.count() == 1) return {};
  const at::NoGradGuard no_gradient;
  int64_t size = 0;
  for (const at::Tensor& parameter : parameters) size += parameter.numel();
  // All in one, as a message has its price.
  at::Tensor all = at::zeros({size}, at::kFloat);
  const auto part_of = [&, begin = int64_t{0}](const at::Tensor& parameter) mutable {
    const at::Tensor part = all.slice(0, begin, begin + parameter.numel());
    begin += parameter.numel();
    return part.view(parameter.sizes());
  };
  auto put = part_of;
  for (const at::Tensor& parameter : parameters) {
    const at::Tensor part = put(parameter);
    if (parameter.grad().defined()) part.copy_(parameter.grad());
  }
  PITH_TRY_VOID(ranks.sum({all.mutable_data_ptr<float>(), static_cast<size_t>(size)}, figures));
  auto take = part_of;
  for (const at::Tensor& parameter : parameters) {
    const at::Tensor part = take(parameter);
    at::Tensor& gradient = parameter.mutable_grad();
    if (gradient.defined()) {
      gradient.copy_(part);
    } else {
      gradient = at::empty_like(parameter).copy_(part);
    }
  }
  return {};
}

}  // namespace pith::train
