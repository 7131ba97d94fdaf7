// What `pith sample` wrote (docs/eval.md), read again by those who train on it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/function_ref.h"
#include "text/tokenizer.h"

namespace pith {

struct LoggedCompletion {
  int32_t question = -1;  // its index in the run's data; -1: not said
  int32_t sample = -1;
  std::string asked;  // the question's text; empty: not said
  std::vector<TokenId> prompt;
  std::vector<TokenId> completion;  // with the token that ended the turn
  std::string answer;               // empty: none
  std::optional<bool> correct;      // none: the right answer is not known
  bool stopped = false;             // it came to its end by itself
  double mean_log_probability = 0;  // of its tokens
};

class SampleLogReader {
 public:
  virtual ~SampleLogReader() = default;
  // The settings of the run that the next samples are of.
  virtual Status on_run(const nlohmann::json& /*settings*/) { return {}; }
  virtual Status on_sample(LoggedCompletion sample) = 0;
};

// Hands over the lines in order. A last line that was being written when the run was killed is
// passed over. Errors: not_found, io; corrupt (a line that is no sample, a token that a model
// with `vocabulary` tokens does not have), and those of `reader`, each with the line's number.
Status read_sample_log(const std::string& path, int32_t vocabulary, SampleLogReader& reader);

}  // namespace pith
