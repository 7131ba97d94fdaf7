// Answers that somebody wrote, as examples for supervised training: JSON lines with a
// "question" and a "response".
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "eval/sample_log.h"
#include "text/tokenizer.h"
#include "train/sft_data.h"

namespace pith::train {

// As samples that are right and came to their end. `prompt` makes their prompts; with budgets
// each is made anew for the budget that its answer keeps. Other members of a line are ignored.
// Errors: not_found, io; those of `prompt`; corrupt, with the line's number (no JSON object, a
// text that is missing or blank).
Result<std::vector<LoggedCompletion>> read_written_answers(const std::string& path,
                                                           const Tokenizer& tokenizer,
                                                           const SftPrompt& prompt);

}  // namespace pith::train
