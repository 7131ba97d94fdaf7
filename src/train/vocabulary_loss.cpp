#include "train/vocabulary_loss.h"

#include <algorithm>

#include "train/row_ops.h"

namespace pith::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// [T]; and, if it is asked for, what a row's hidden states add to it: [T, C].
struct ChunkedRows {
  at::Tensor log_probabilities, slopes;
};

ChunkedRows compute_chunks(const at::Tensor& hidden, const FrozenMatrix& head,
                           const at::Tensor& targets, int64_t chunk_rows, bool with_slopes) {
  const int64_t rows = hidden.size(0);
  const FrozenMatrix* heads[] = {&head};
  ChunkedRows result{at::empty({rows}, hidden.options()), {}};
  if (with_slopes) result.slopes = at::empty_like(hidden);
  for (int64_t first = 0; first < rows; first += chunk_rows) {
    const int64_t count = std::min(chunk_rows, rows - first);
    const at::Tensor target = targets.narrow(0, first, count);
    const at::Tensor logits = multiply(hidden.narrow(0, first, count), heads)[0];  // [count, V]
    const at::Tensor sums = logits.is_cpu() ? log_sum_exp_rows(logits) : logits.logsumexp(1);
    result.log_probabilities.narrow(0, first, count)
        .copy_(logits.gather(1, target.unsqueeze(1)).squeeze(1) - sums);
    if (!with_slopes) continue;
    const at::Tensor dlogits =
        logits.is_cpu() ? log_softmax_gradient_rows(logits, sums, target, head.rows_type())
                        : plain_log_softmax_gradient(logits, sums, target, head.rows_type());
    result.slopes.narrow(0, first, count).copy_(multiply_backward({&dlogits, 1}, heads));
  }
  return result;
}

class VocabularyLogProbabilities : public torch::autograd::Function<VocabularyLogProbabilities> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& hidden,
                            const FrozenMatrix& head, const at::Tensor& targets,
                            int64_t chunk_rows) {
    const ChunkedRows result = compute_chunks(hidden, head, targets, chunk_rows, true);
    context->save_for_backward({result.slopes});
    return result.log_probabilities;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const at::Tensor dhidden = context->get_saved_variables()[0] * gradients[0].unsqueeze(1);
    return {dhidden, {}, {}, {}};
  }
};

}  // namespace

at::Tensor plain_log_softmax_gradient(const at::Tensor& logits, const at::Tensor& log_sums,
                                      const at::Tensor& targets, at::ScalarType type) {
  const at::Tensor places = targets.unsqueeze(1);
  at::Tensor gradient = (logits - log_sums.unsqueeze(1)).exp_().neg_();
  gradient.scatter_add_(1, places, at::ones(places.sizes(), gradient.options()));
  return gradient.to(type);
}

at::Tensor vocabulary_log_probabilities(const at::Tensor& hidden, const FrozenMatrix& head,
                                        const at::Tensor& targets, int64_t chunk_rows) {
  if (at::GradMode::is_enabled() && hidden.requires_grad()) {
    return VocabularyLogProbabilities::apply(hidden, head, targets, chunk_rows);
  }
  const at::NoGradGuard no_gradient;
  return compute_chunks(hidden, head, targets, chunk_rows, false).log_probabilities;
}

}  // namespace pith::train
