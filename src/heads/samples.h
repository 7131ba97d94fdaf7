// What heads are trained on: samples that `pith sample` drew, by prompt and by question.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "reason/answer.h"
#include "text/prompt.h"
#include "text/tokenizer.h"

namespace pith {

struct HeadSample {
  std::vector<TokenId> completion;  // not empty
  std::string answer;               // empty: none
  bool correct = false;
  bool stopped = true;              // it came to its end by itself
  double mean_log_probability = 0;  // of its tokens
};

struct SampledPrompt {
  EncodedPrompt prompt;
  AnswerKind kind = AnswerKind::number;
  size_t question = 0;  // from 0; what is split is split by it
  std::vector<HeadSample> samples;
};

struct SampleSet {
  std::vector<SampledPrompt> prompts;  // by their tokens
  size_t questions = 0;
  size_t samples = 0;   // that are in `prompts`
  size_t unknown = 0;   // left out: not known to be right or wrong
  size_t repeated = 0;  // left out: the same sample of the same run
  size_t too_long = 0;  // left out: no room in the context
  nlohmann::json run;   // the settings of the first run; null where no file says them
};

// What samples must be for a model.
struct SampleModel {
  int32_t vocabulary = 0;
  int32_t context_tokens = 0;  // for prompt, completion and `extra_tokens`
  int32_t extra_tokens = 0;
  std::string sha256;           // of the runs' model
  std::vector<TokenId> header;  // of the assistant's turn: the boundary
  bool thinking = true;         // drawn with --think on (or auto); else with --think off
};

// Prompts are of one question if their tokens are the same, or if they are the same number in
// the same data: the question may be asked with several budgets. Errors: those of
// read_sample_log(); usage (another model's samples, or of another mode; nothing is left);
// corrupt (a prompt without the header).
Result<SampleSet> read_samples(const std::vector<std::string>& paths, const SampleModel& model);

// A number that differs when the tokens of two sets do.
uint64_t fingerprint(const SampleSet& set);

}  // namespace pith
