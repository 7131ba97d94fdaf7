#include "serve/text_stream.h"

#include <utility>

#include "serve/token_probabilities.h"

namespace pith {

TextStream::TextStream(int32_t index, const TextStreamOptions& options, const Tokenizer& tokenizer,
                       GenerationSink& sink)
    : index_(index),
      tokenizer_(tokenizer),
      sink_(sink),
      splitter_(options.thinking_end, options.begins_in_thought),
      stops_(options.stop),
      top_log_probabilities_(options.top_log_probabilities) {}

void TextStream::expect(std::span<const float> logits) {
  if (!top_log_probabilities_) return;
  alternatives_ = likeliest_tokens(logits, *top_log_probabilities_, tokenizer_);
}

void TextStream::push(const Branch& branch, std::string_view text) {
  const bool in_thought = splitter_.in_thought();
  for (; seen_tokens_ < branch.sampled_tokens(); ++seen_tokens_) {
    take_token(branch.samples()[static_cast<size_t>(seen_tokens_)], in_thought);
  }
  const ThoughtSplitter::Parts parts = splitter_.push(text);
  tell(/*reasoning=*/true, parts.thought, std::exchange(thought_tokens_, {}));
  answer_bytes_ += parts.answer.size();
  tell_answer(stops_.push(parts.answer), /*is_all=*/false);
}

// The end of a turn is no part of the text.
void TextStream::take_token(const SampledToken& sample, bool in_thought) {
  if (in_thought) ++reasoning_tokens_;
  if (!top_log_probabilities_ || tokenizer_.ends_generation(sample.token)) return;
  TokenLogProbability token{sample.token, tokenizer_.bytes(sample.token), sample.log_probability,
                            std::exchange(alternatives_, {})};
  if (in_thought) {
    thought_tokens_.push_back(std::move(token));
  } else {
    answer_tokens_.push_back({answer_bytes_, std::move(token)});
  }
}

void TextStream::tell(bool reasoning, std::string_view text,
                      std::span<const TokenLogProbability> tokens) {
  if (text.empty() && tokens.empty()) return;
  sink_.on_text({index_, reasoning, text, tokens});
}

// Tokens go with the text that they begin in; behind a stop string there are none.
void TextStream::tell_answer(std::string_view text, bool is_all) {
  told_bytes_ += text.size();
  const bool all = !stops_.stopped() && (is_all || told_bytes_ == answer_bytes_);
  std::vector<TokenLogProbability> tokens;
  while (!answer_tokens_.empty() && (all || answer_tokens_.front().begin < told_bytes_)) {
    tokens.push_back(std::move(answer_tokens_.front().token));
    answer_tokens_.pop_front();
  }
  tell(/*reasoning=*/false, text, tokens);
}

void TextStream::end(const Branch& branch, std::string answer,
                     std::optional<double> verifier_score) {
  const ThoughtSplitter::Parts parts = splitter_.finish();
  tell(/*reasoning=*/true, parts.thought, {});
  answer_bytes_ += parts.answer.size();
  std::string rest = stops_.push(parts.answer);
  if (!stops_.stopped()) rest += stops_.finish();
  tell_answer(rest, /*is_all=*/true);

  TextEnd end;
  end.index = index_;
  end.reason = branch.finish_reason();
  end.tokens = branch.sampled_tokens() + branch.read_tokens();
  end.reasoning_tokens = reasoning_tokens_;
  end.answer = std::move(answer);
  end.mean_log_probability = branch.mean_log_probability();
  end.verifier_score = verifier_score;
  sink_.on_text_end(end);
}

}  // namespace pith
