#include "train/vocabulary_loss.h"

#include <algorithm>

namespace pith::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class ChunkedLoss : public torch::autograd::Function<ChunkedLoss> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& hidden,
                               const at::Tensor& head, const at::Tensor& targets,
                               const at::Tensor& weights, int64_t chunk_rows) {
    const int64_t rows = hidden.size(0);
    at::Tensor dhidden = at::empty_like(hidden);
    at::Tensor log_probabilities = at::empty({rows}, hidden.options());
    for (int64_t first = 0; first < rows; first += chunk_rows) {
      const int64_t count = std::min(chunk_rows, rows - first);
      const at::Tensor x = hidden.narrow(0, first, count).to(head.scalar_type());
      const at::Tensor target = targets.narrow(0, first, count).unsqueeze(1);
      at::Tensor logits = at::linear(x, head).to(hidden.scalar_type());  // [count, V]
      const at::Tensor sum = logits.logsumexp(-1, /*keepdim=*/true);
      log_probabilities.narrow(0, first, count).copy_((logits.gather(1, target) - sum).squeeze(1));
      // d(-log softmax) = softmax - 1 at the target
      at::Tensor dlogits = logits.sub_(sum).exp_();
      dlogits.scatter_add_(1, target, at::full_like(sum, -1));
      dhidden.narrow(0, first, count)
          .copy_(at::matmul(dlogits.to(head.scalar_type()), head))
          .mul_(weights.narrow(0, first, count).unsqueeze(1));
    }
    context->save_for_backward({dhidden});
    context->mark_non_differentiable({log_probabilities});
    return {-(log_probabilities * weights).sum(), log_probabilities};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const at::Tensor dhidden = context->get_saved_variables()[0] * gradients[0];
    return {dhidden, {}, {}, {}, {}};
  }
};

}  // namespace

VocabularyLoss vocabulary_loss(const at::Tensor& hidden, const at::Tensor& head,
                               const at::Tensor& targets, const at::Tensor& weights,
                               int64_t chunk_rows) {
  const variable_list results = ChunkedLoss::apply(hidden, head, targets, weights, chunk_rows);
  return {results[0], results[1]};
}

}  // namespace pith::train
