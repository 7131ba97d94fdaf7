// What one text of a request becomes on its way to the client: thought and answer apart, the
// answer up to a stop string, each token with its log-probability where that is asked for.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "reason/branch.h"
#include "serve/service.h"
#include "serve/stop_strings.h"
#include "serve/thought_splitter.h"

namespace pith {

struct TextStreamOptions {
  std::string thinking_end;        // of the family; empty: it has no thoughts
  bool begins_in_thought = false;  // the prompt has opened one, where it is to think
  std::vector<std::string> stop;
  std::optional<int32_t> top_log_probabilities;
};

// One per text. Borrows tokenizer and sink.
class TextStream {
 public:
  TextStream(int32_t index, const TextStreamOptions& options, const Tokenizer& tokenizer,
             GenerationSink& sink);

  // Before the branch's next token is drawn from these logits.
  void expect(std::span<const float> logits);
  // After it: `text` is what became complete. Tells the sink.
  void push(const Branch& branch, std::string_view text);
  // After the last one. Tells the sink of the rest, and of the end.
  void end(const Branch& branch, std::string answer, std::optional<double> verifier_score);

  bool stopped() const { return stops_.stopped(); }
  int32_t seen_tokens() const { return seen_tokens_; }  // sampled, so far
  int32_t reasoning_tokens() const { return reasoning_tokens_; }

 private:
  // A token of the answer whose text may be held back yet.
  struct Held {
    size_t begin;  // where in the answer its text begins
    TokenLogProbability token;
  };

  void take_token(const SampledToken& sample, bool in_thought);
  void tell(bool reasoning, std::string_view text, std::span<const TokenLogProbability> tokens);
  void tell_answer(std::string_view text, bool is_all);

  int32_t index_;
  const Tokenizer& tokenizer_;
  GenerationSink& sink_;
  ThoughtSplitter splitter_;
  StopStrings stops_;
  std::optional<int32_t> top_log_probabilities_;
  std::vector<TokenLogProbability::Alternative> alternatives_;  // of the next token
  std::vector<TokenLogProbability> thought_tokens_;             // to be told
  std::deque<Held> answer_tokens_;                              // likewise
  size_t answer_bytes_ = 0;                                     // that the splitter has given
  size_t told_bytes_ = 0;                                       // of these
  int32_t seen_tokens_ = 0;                                     // of the branch
  int32_t reasoning_tokens_ = 0;
};

}  // namespace pith
