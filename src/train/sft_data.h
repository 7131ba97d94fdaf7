// What supervised training reads: the samples that `pith sample` wrote (docs/eval.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "text/tokenizer.h"

namespace pith::train {

struct SftExample {
  std::vector<TokenId> prompt;
  size_t boundary = 0;              // of the prompt: from there on the adapter is on
  std::vector<TokenId> completion;  // to the end of the turn; not empty
};

// Which samples are trained on. Those that did not come to their end never are.
struct SftSelection {
  bool correct_only = true;
  int32_t per_question = 4;  // the shortest; 0: all
  int32_t most_tokens = 0;   // of a completion; 0: any number
};

struct SftData {
  std::vector<SftExample> examples;  // question by question, the shortest first
  int64_t questions = 0;
  int64_t samples = 0;  // that were read, of which were left out:
  int64_t wrong = 0;
  int64_t unfinished = 0;
  int64_t repeated = 0;  // the same tokens
  int64_t long_ones = 0;
  int64_t surplus = 0;  // beyond per_question
};

// What the prompts must be for this model.
struct SftModel {
  int32_t vocabulary = 0;
  int32_t context_tokens = 0;
  std::vector<TokenId> header;  // of the assistant's turn
};

// Samples with the same prompt are of the same question, from whichever file. Errors:
// not_found, io; corrupt (a line that is no sample, tokens that the model does not have, a
// prompt without the header: it was made with another chat template); usage (nothing is left).
Result<SftData> read_sft_data(const std::vector<std::string>& paths, const SftSelection& selection,
                              const SftModel& model);

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

// Examples that are computed at once. There is no padding; but those of one prompt come
// together, so that it is read once, and in the order of their lengths.
//   `most_rows`: tokens from the boundary on; one example alone may have more.
std::vector<std::vector<size_t>> split_batch(const SftData& data, std::vector<size_t> batch,
                                             int64_t most_rows);

// A number that differs when the examples do.
uint64_t fingerprint(const SftData& data);

}  // namespace pith::train
