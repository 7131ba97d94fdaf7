// What supervised training reads: the samples that `pith sample` wrote (docs/eval.md), and
// answers that somebody wrote (written_answers.h).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "eval/sample_log.h"
#include "text/tokenizer.h"
#include "train/example.h"

namespace pith::train {

// Which samples are trained on. Those that did not come to their end never are.
struct SftSelection {
  bool correct_only = true;
  int32_t per_question = 4;  // the shortest; 0: all
  int32_t most_tokens = 0;   // of a completion; 0: any number
  // Rising. A completion belongs to the smallest one that it keeps, and per_question counts
  // for each; longer ones are left out. Empty: none.
  std::vector<int32_t> budgets = {};
};

// The prompt of a question's text that states a budget (0: without budgets).
using SftPrompt =
    std::function<Result<std::vector<TokenId>>(const std::string& asked, int32_t budget)>;

struct SftData {
  // To the end of the turn; question by question, the shortest first.
  std::vector<Example> examples;
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
  std::vector<TokenId> invocation;  // tokens of a prompt from which on the adapter is on
};

// Samples with the same prompt are of the same question, from whichever file.
//   `written`: samples that are in no file.
//   `prompt`: makes the examples' prompts; null: they are the samples' own.
// Errors: not_found, io, those of `prompt`; corrupt (a line that is no sample, tokens that the
// model does not have, a prompt without the invocation tokens: it was made with another chat
// template); usage (nothing is left; a sample that does not say its question's text, for `prompt`).
Result<SftData> read_sft_data(const std::vector<std::string>& paths,
                              std::vector<LoggedCompletion> written, const SftSelection& selection,
                              const SftModel& model, const SftPrompt& prompt = nullptr);

// Differs when the examples do.
std::string fingerprint(const SftData& data);

}  // namespace pith::train
