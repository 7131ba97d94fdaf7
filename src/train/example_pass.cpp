#include "train/example_pass.h"

#include "train/vocabulary_loss.h"

namespace pith::train {

ExamplePass::ExamplePass(const Twin& twin, std::span<const Example> examples,
                         const std::vector<size_t>& chosen)
    : twin_(twin) {
  std::vector<int64_t> rows;
  std::vector<int64_t> targets;
  const std::vector<TokenId>* last_prompt = nullptr;
  int64_t first = 0;  // row of the text at hand
  for (const size_t i : chosen) {
    const Example& example = examples[i];
    const size_t header = example.prompt.size() - example.boundary;
    if (last_prompt == nullptr || *last_prompt != example.prompt) {
      last_prompt = &example.prompt;
      pasts_.push_back(twin.read(std::span(example.prompt).first(example.boundary)));
    }
    // The last token predicts nothing that is known.
    std::vector<TokenId>& tokens =
        tokens_.emplace_back(example.prompt.begin() + static_cast<std::ptrdiff_t>(example.boundary),
                             example.prompt.end());
    tokens.insert(tokens.end(), example.completion.begin(), example.completion.end() - 1);
    texts_.push_back({&pasts_.back(), tokens});
    for (size_t k = 0; k < example.completion.size(); ++k) {
      rows.push_back(first + static_cast<int64_t>(header + k) - 1);
      targets.push_back(example.completion[k]);
    }
    first += static_cast<int64_t>(tokens.size());
  }
  rows_ = at::tensor(rows, at::kLong).to(twin.device());
  targets_ = at::tensor(targets, at::kLong).to(twin.device());
}

at::Tensor ExamplePass::read_off(const at::Tensor& hidden, double temperature) const {
  const at::Tensor wanted = hidden.index_select(0, rows_);
  // What divides the hidden states divides the logits.
  return vocabulary_log_probabilities(temperature == 1 ? wanted : wanted / temperature,
                                      twin_.head(), targets_);
}

at::Tensor ExamplePass::log_probabilities(const LoraPass& pass, double temperature) const {
  const at::NoGradGuard no_gradient;
  return read_off(twin_.hidden(texts_, pass), temperature);
}

double ExamplePass::accumulate(const LoraPass& pass,
                               FunctionRef<at::Tensor(const at::Tensor& log_probabilities)> loss_of,
                               double temperature) const {
  return twin_.accumulate_gradient(texts_, pass, [&](const at::Tensor& hidden) {
    return loss_of(read_off(hidden, temperature));
  });
}

}  // namespace pith::train
