// What an adapter is trained on: prompts with answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "text/tokenizer.h"

namespace pith::train {

struct Example {
  std::vector<TokenId> prompt;
  size_t boundary = 0;              // of the prompt: from there on the adapter is on
  std::vector<TokenId> completion;  // that the model is to write, or wrote; not empty

  // From the boundary on.
  int64_t rows() const {
    return static_cast<int64_t>(prompt.size() - boundary + completion.size());
  }
};

// Where the header of the assistant's turn begins, the last one; the prompt's size if it has
// none.
size_t boundary_of(std::span<const TokenId> prompt, std::span<const TokenId> header);

// Of the examples with the indices `chosen`, those that are computed at once. There is no
// padding; but those of one prompt come together, so that it is read once.
//   `examples`: prompt by prompt; parts have this order.
//   `most_rows`: of a part; one example alone may have more.
std::vector<std::vector<size_t>> split_examples(std::span<const Example> examples,
                                                std::vector<size_t> chosen, int64_t most_rows);

// Where the steps of training take their examples.
struct BatchPlan {
  int64_t examples = 0;
  int64_t batch = 1;
  uint64_t seed = 0;

  int64_t steps_per_epoch() const { return (examples + batch - 1) / batch; }
  // Of step `step` from 0: each epoch goes through all examples in an order of its own. A
  // function of the step alone, so that a run goes on anywhere.
  std::vector<size_t> at(int64_t step) const;
};

}  // namespace pith::train
